"""The live page and the API. Knows no Kafka client: what it reads is handed in."""
