"""Items that a tiny model with random weights gets right, so that there is something to lose."""

import random
import string
import tempfile
from pathlib import Path

from driftline.capabilities import Capability, MinimalPair
from driftline.engine import LocalEngine, ResultStore
from driftline.models import BASE


def known_pairs(opened, num_items: int, *, seed: int = 0) -> tuple[MinimalPair, ...]:
    """Pairs of random words, the one that the model finds likelier called the good one."""
    generator = random.Random(seed)
    drawn = tuple(
        MinimalPair(id=f"{seed}-{index}", good=_word(generator), bad=_word(generator))
        for index in range(num_items)
    )
    asked = Capability("pairs", "minimal_pair", "accuracy", 0.1, drawn)
    with tempfile.TemporaryDirectory() as folder, ResultStore(Path(folder) / "store") as store:
        values = LocalEngine(opened, store).evaluate((BASE,), (asked,)).values(BASE, asked)
    return tuple(
        item if is_right else MinimalPair(id=item.id, good=item.bad, bad=item.good)
        for item, is_right in zip(drawn, values.tolist(), strict=True)
    )


def _word(generator: random.Random) -> str:
    return "".join(generator.choices(string.ascii_lowercase, k=6))
