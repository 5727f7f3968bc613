"""Intervals must cover: each is simulated."""
