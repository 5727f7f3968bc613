"""Finished runs of SmolLM2-135M, and what the forecast would have said of them."""
