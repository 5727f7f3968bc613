"""Where along real training a capability passes its tolerance, and who saw it coming."""
