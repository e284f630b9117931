"""Readings go in, snapshots of incidents come out."""
