"""What was counted and what was told, as Parquet files for ever, and how they are read. Knows no Kafka client."""
