"""The fitted classifier: probe, exit early, save and load."""
