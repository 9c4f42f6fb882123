"""What is checked on an opened model before it is relied on."""
