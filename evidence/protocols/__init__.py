"""Does a plan adapt more for what it breaks than any single method? A field of rivals, at equal compute."""
