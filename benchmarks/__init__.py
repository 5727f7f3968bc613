"""What Driftline costs, measured: `python -m benchmarks.<name>`."""
