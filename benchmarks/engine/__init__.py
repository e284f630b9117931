"""The engine, measured beside others on one real Kafka: `make bench` (docs/benchmarks.md)."""
