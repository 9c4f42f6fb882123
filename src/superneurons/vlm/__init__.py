"""Open a vision-language model, know its parts, prompt it, cut it off at a layer, identify it."""
