"""The passes of known families, written so that they can stop anywhere."""
