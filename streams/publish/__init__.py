"""What a person reads: reports, pages, charts, scorecards. Knows no Kafka client."""
