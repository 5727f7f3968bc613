"""One file a command. Each parses, asks one question, prints or writes."""

from collections.abc import Callable

from ._assess import part_command
from ._calibrate import calibrate
from ._certify import certify
from ._compare import compare
from ._demo import demo
from ._diff import diff
from ._doctor import doctor
from ._plan import plan
from ._repair import repair
from ._runs import runs as runs
from ._sample_size import sample_size
from ._score import score
from ._suite import suite
from ._train import train

COMMANDS: dict[str, Callable[..., None]] = {
    **{part: part_command(part) for part in ("assess", "margin", "map", "forecast")},
    "calibrate": calibrate,
    "score": score,
    "plan": plan,
    "train": train,
    "diff": diff,
    "certify": certify,
    "compare": compare,
    "repair": repair,
    "sample-size": sample_size,
    "suite": suite,
    "demo": demo,
    "doctor": doctor,
}
"""Name to command, in the order of `driftline --help`."""
