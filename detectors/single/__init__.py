"""One series at a time, plainly: what the columns do for all at once, and what they are held against."""
