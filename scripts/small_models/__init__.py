"""Fetch the two fast real models and convert them into ordinary Hugging Face folders."""
