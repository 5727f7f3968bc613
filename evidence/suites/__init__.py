"""The shipped suites, scored at the base of two small models."""
