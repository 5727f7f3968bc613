"""What we watch: items, scorers, capabilities and suites."""
