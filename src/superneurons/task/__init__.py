"""The task room: one categorical question, as records read from any data and checked."""
