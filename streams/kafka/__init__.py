"""The one way to Kafka: client options, topics, bulk sending, and the topics that are read whole."""
