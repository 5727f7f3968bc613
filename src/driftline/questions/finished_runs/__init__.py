"""Questions about runs that are finished: one shown again, two side by side."""

from ._read_run import read_run as read_run
