"""Read scalars out of a model: where (sites), how (capture), and where they are kept (store)."""
