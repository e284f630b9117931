"""The commands of `netdusk`, one a file."""
