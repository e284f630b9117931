"""What one looks at: four dashboards, from the world down to one incident, and netdusk itself."""
