"""Whether the search for a radius finds what a fine grid finds, and with how many looks."""
