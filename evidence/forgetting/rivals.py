"""What others would forecast from, measured on our runs.

Of the update after a fifth of the steps, and of the finished run's where a rival is one of outcomes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from driftline.capabilities import Capability, Cloze, Passage
from driftline.engine import LocalEngine, ResultStore
from driftline.engine.evaluation import weighed_items
from driftline.measures import kl_divergence_nats
from driftline.models import (
    Direction,
    LanguageModel,
    Point,
    ScoringOptions,
    Term,
    TokenSequence,
    at_point,
    change_norms,
    loss_gradient,
    relative_norm,
)

from ..fragility.rivals import changes, functional_magnitude

NUM_FISHER_ITEMS = 4
NUM_TEXTS = 6
"""Of the task, at which functional magnitude and divergence are read."""


@dataclass(frozen=True)
class BaseGradients:
    """Each capability's mean gradient at the base, and its empirical Fisher's diagonal, on disk."""

    folder: Path
    capabilities: tuple[str, ...]

    @classmethod
    def of(
        cls, opened: LanguageModel, capabilities: Sequence[Capability], folder: Path
    ) -> "BaseGradients":
        """Take them, unless they are there.

        Args:
            opened: The base model.
            capabilities: Whose.
            folder: Where to.

        Returns:
            The gradients.
        """
        folder.mkdir(parents=True, exist_ok=True)
        options = ScoringOptions()
        with ResultStore(folder / "tokens.sqlite") as store:
            engine = LocalEngine(opened, store)
            for capability in capabilities:
                path = folder / f"{capability.name}.safetensors"
                if path.exists():
                    continue
                items = weighed_items(engine, capability)
                mean = loss_gradient(opened, items, options)
                squares = {name: torch.zeros_like(value) for name, value in mean.items()}
                for item in items[:NUM_FISHER_ITEMS]:
                    for name, value in loss_gradient(opened, [item], options).items():
                        squares[name] += value.float().square() / NUM_FISHER_ITEMS
                parts = {"mean": mean, "square": squares}
                tensors = {f"{part}|{name}": value.bfloat16() for part, values in parts.items() for name, value in values.items()}  # fmt: skip
                partial = path.with_suffix(".partial")
                save_file(tensors, partial)
                partial.replace(path)
        return cls(folder, tuple(c.name for c in capabilities))

    def read(self, capability: str, name: str) -> tuple[Tensor, Tensor] | None:
        """Mean and mean square of one weight's gradient; None where the loss has none."""
        with safe_open(self.folder / f"{capability}.safetensors", framework="pt") as opened:
            if f"mean|{name}" not in list(opened.keys()):
                return None
            return (
                opened.get_tensor(f"mean|{name}").float(),
                opened.get_tensor(f"square|{name}").float(),
            )


def gradient_features(
    opened: LanguageModel, gradients: BaseGradients, direction: Direction
) -> dict[str, Any]:
    """By capability: the gradient's inner product with an update, and its Fisher distance.

    Args:
        opened: The base model.
        gradients: Of the capabilities.
        direction: The update.

    Returns:
        Two features, each by capability.
    """
    inner = dict.fromkeys(gradients.capabilities, 0.0)
    distance = dict.fromkeys(gradients.capabilities, 0.0)
    for name, weight in opened.model.named_parameters():
        change = direction.delta(name, weight.detach()) if weight.ndim >= 2 else None
        if change is None:
            continue
        for capability in gradients.capabilities:
            found = gradients.read(capability, name)
            if found is not None:
                inner[capability] += float((found[0] * change).sum())
                distance[capability] += float((found[1] * change.square()).sum())
    return {"gradient_inner_product": inner, "fisher_distance": distance}


def update_norm(opened: LanguageModel, direction: Direction) -> float:
    """||change||_F / ||W||_F over all matrices that move."""
    return relative_norm(change_norms(opened, direction).values())


def outcome_features(
    opened: LanguageModel, target: Capability, end: Direction
) -> dict[str, float | None]:
    """What a finished run did to layer outputs, and to what the model says on the new task.

    Args:
        opened: The base model.
        target: The run's own task.
        end: The finished run's update.

    Returns:
        The functional magnitude, mean over matrices, and the divergence in nats per token.
    """
    sequences = _texts(opened, target)
    before = _log_probs(opened, sequences)
    with at_point(opened, Point("end", (Term(end, 1.0),))):
        after = _log_probs(opened, sequences)
    moved = changes(opened, end, list(change_norms(opened, end)))
    magnitudes = functional_magnitude(opened, sequences, moved)
    divergence = kl_divergence_nats(before, after)
    return {
        "functional_magnitude": float(numpy.mean(list(magnitudes.values()))),
        "kl_new_task": divergence if math.isfinite(divergence) else None,
    }


def _texts(opened: LanguageModel, target: Capability) -> list[TokenSequence]:
    found = []
    for item in target.items[:NUM_TEXTS]:
        assert isinstance(item, Passage | Cloze)
        text = item.text if isinstance(item, Passage) else f"{item.prompt}{item.completion}"
        tokens = opened.tokenizer(text)["input_ids"][:96]
        start = opened.tokenizer.bos_token_id
        found.append(TokenSequence((start, *tokens) if start is not None else tuple(tokens), 1))
    return found


@torch.no_grad()
def _log_probs(opened: LanguageModel, sequences: Sequence[TokenSequence]) -> numpy.ndarray:
    rows = [
        opened.model(torch.tensor([s.tokens])).logits[0].float().log_softmax(-1) for s in sequences
    ]
    return torch.cat(rows).numpy()
