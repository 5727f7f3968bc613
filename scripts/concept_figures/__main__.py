"""Command line of the figures of concepts."""

from . import main

if __name__ == "__main__":
    main()
