"""What the shipped suites show at the bases: accuracy, tokens and seconds."""
