"""Each published claim: script, config and committed result."""
