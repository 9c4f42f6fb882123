"""One file for each model family: where its parts are."""
