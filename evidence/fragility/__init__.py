"""Which modules break which capability: a cheap estimate held against direct references."""
