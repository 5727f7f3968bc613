"""Certification of SmolLM2-135M, really tuned: what is found, and what is not."""
