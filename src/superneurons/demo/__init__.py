"""The embedded vision-language model and its tasks."""
