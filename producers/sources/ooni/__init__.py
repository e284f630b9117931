"""OONI's measurements, read."""
