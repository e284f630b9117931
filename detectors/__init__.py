"""DECIDE: numbers in, opinions out. No broker, socket, clock, metric or log."""
