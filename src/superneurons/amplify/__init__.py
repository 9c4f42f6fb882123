"""Selective amplification: boost the neurons of a task, and only where the model is unsure."""
