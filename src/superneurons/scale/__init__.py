"""Fitted classifiers and probing past one process: predictors, clusters, ranks."""
