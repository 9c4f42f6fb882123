"""Read-outs: scikit-learn classifiers over activations that know which neurons they read."""
