"""Other people's measurements, read: one file a format."""
