"""The whole of netdusk on one machine."""
