"""The bundled demonstration: a small narrow training set and its training config."""
