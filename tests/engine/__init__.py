"""The engine: store, evaluation, run folder, progress."""
