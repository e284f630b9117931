"""The worker: partitions, checkpoints, transport, metrics. Knows no country and no step."""
