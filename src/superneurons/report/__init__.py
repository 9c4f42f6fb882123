"""What a run found, kept as JSON and drawn."""
