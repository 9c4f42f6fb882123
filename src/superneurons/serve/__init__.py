"""A service that answers typed questions about pictures."""
