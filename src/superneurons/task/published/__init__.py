"""Tasks that papers report on, read from the files in which they are published."""
