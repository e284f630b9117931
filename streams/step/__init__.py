"""The pure part of a worker: records go in, incidents come out."""
