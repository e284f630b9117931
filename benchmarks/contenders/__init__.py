"""One reader a file: each reads a topic whole, does its work, and prints what it took."""
