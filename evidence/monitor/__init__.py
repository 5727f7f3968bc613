"""Whether the monitor names what goes wrong in real runs, in time, and leaves healthy ones alone."""
