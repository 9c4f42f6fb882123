"""How good and how fast: scores with intervals, rivals, the null, timing."""
