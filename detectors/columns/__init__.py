"""All series at once: a window of counts goes in, a reading of every country comes out."""
