"""How the field draws protocols at random, and sets up the levers of a method."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from driftline.analyses.planning import Choice, PlanSpace, ProtocolCandidate
from driftline.models import LanguageModel, Levers

from .methods import Method


def random_draw(space: PlanSpace, seed: int, number: int) -> ProtocolCandidate:
    """A protocol drawn from what a plan may choose from, but for the modules that its map protects.

    Args:
        space: Of the plan.
        seed: Of the search.
        number: Of the draw.

    Returns:
        The protocol.
    """
    return space.candidate(space.suggest(_Dice(random.Random(f"{seed}|{number}"))))


@dataclass(frozen=True)
class _Dice:
    """Picks at random what a sampler would suggest."""

    draw: random.Random

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Uniform, or so in the logarithm."""
        if log:
            return math.exp(self.draw.uniform(math.log(low), math.log(high)))
        return self.draw.uniform(low, high)

    def suggest_categorical(self, name: str, choices: Sequence[Choice]) -> Choice:
        """Any of them."""
        return self.draw.choice(choices)


def levers_of(method: Method, opened: LanguageModel, replayed: str) -> Levers:
    """The levers of a method on one model.

    Args:
        method: Which.
        opened: The base; the embedding and the lower third of its layers are the bottom.
        replayed: The file with other text.

    Returns:
        The levers.
    """
    values = dict(method.levers)
    if values.get("frozen_modules") == "bottom":
        layers = sorted({w.layer for w in opened.weights if w.layer is not None})
        low = set(layers[: len(layers) // 3])
        modules = {
            w.name.rpartition(".")[0]
            for w in opened.weights
            if w.layer in low or w.role == "embedding"
        }
        values["frozen_modules"] = sorted(modules)
    if "replay_source" in values:
        values["replay_source"] = replayed
    return Levers.from_values(values, origin="field")
