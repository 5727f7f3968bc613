"""Which model families each command takes: tiny models of random weights, one table."""
