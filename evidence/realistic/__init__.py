"""The benchmark of forgetting in a realistic regime: batches of 2,048 tokens, 100 steps, all items."""
