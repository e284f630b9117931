"""What is worked out once for alerts and dashboards."""
