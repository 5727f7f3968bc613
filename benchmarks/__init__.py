"""Speed, memory and robustness of the engine; each file prints and keeps a JSON."""
