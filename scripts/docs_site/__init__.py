"""Builds the documentation site: pages made from code, and links that leave `docs/`."""
