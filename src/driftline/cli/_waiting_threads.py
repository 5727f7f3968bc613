"""Waiting threads of PyTorch on the CPU: they spin or sleep, decided before PyTorch is loaded.

By default a thread of GNU OpenMP spins while it waits, on a core that the other thread may need. On a quiet machine
sleeping is slower, so there threads spin, for some microseconds. `benchmarks/busy_machine.py` measures what it brings.
"""

import os
import sys
import time
from pathlib import Path

_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_SPINS = "10000"
_LOOKS = 5
_BETWEEN = 0.002
"""Seconds between two counts of the threads that run."""


def set_waiting(running: Path = Path("/proc/loadavg")) -> None:
    """Let waiting threads sleep where other work runs on half of the cores, and spin briefly elsewhere.

    Settings of the user stay. Nothing is set where the operating system does not count its threads, or where
    PyTorch is loaded.

    Args:
        running: File of the operating system that counts the threads that run.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _SETTINGS):
        return
    others = _num_others(running)
    if others is None:
        return
    if others >= (os.cpu_count() or 1) / 2:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    else:
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def _num_others(running: Path) -> int | None:
    """Count the threads of other processes that run now: the least of some looks, since some run for an instant."""
    counts: list[int] = []
    for look in range(_LOOKS):
        if look:
            time.sleep(_BETWEEN)
        try:
            counts.append(int(running.read_text().split()[3].split("/")[0]) - 1)
        except (OSError, ValueError, IndexError):
            return None
    return min(counts)
