"""One look at the model: capabilities, output, representation, update; against the base of step 0."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ...capabilities import Capability
from ...errors import OutputError, RunError
from ...provenance import digest_value
from ...stats import Looks, look_evidence, lowest_mean, standard_error
from ..handles import (
    BaseWeights,
    CapabilityWatch,
    ItemValues,
    LiveModel,
    SnapshotRing,
    is_main,
    wait_for_all,
)
from ..signals import (
    AnchorWatch,
    StepReading,
    UpdateNorm,
    anchor_texts,
    check_sensitivity,
    mean_losses,
    update_norm,
)
from ._detectors import CheckReading, evidence_needed
from ._settings import MonitorSettings
from ._state import MonitorState

_BASE_FILE = "base.safetensors"
_STANDARD_ERRORS = 1.645
"""One-sided, at a level of 5 %."""
_GAIN_NATS, _GAIN_TOLERANCES = 1.0, 4.0
"""An item's gain pays for at most so much loss of others: nats, or tolerances if that is more."""


class CheckResult(NamedTuple):
    """Result of a check, before the detectors."""

    reading: CheckReading
    update: UpdateNorm


class Checker:
    """Measurements of a model in training; the model is not changed."""

    def __init__(
        self,
        live: LiveModel,
        capabilities: Sequence[Capability],
        settings: MonitorSettings,
        *,
        dataset: object,
        folder: Path,
        critical: float | None,
    ) -> None:
        """Tokenise items and anchors.

        Args:
            live: The model in training.
            capabilities: Capabilities to watch, with the items to score. One without `max_group_size`
                yields no evidence.
            settings: The user's settings.
            dataset: The trainer's training data.
            folder: Folder of the base's numbers and of snapshots.
            critical: Relative norm of the margin; None where there is none.

        Raises:
            ConfigError: A capability is scored by generated answers.
            SuiteError: An item cannot be scored.
            ModelError: The model cannot be scored.
        """
        self.capabilities = tuple(capabilities)
        self._live, self._settings, self._critical = live, settings, critical
        self._watch = CapabilityWatch(live, capabilities)
        texts = anchor_texts(
            live,
            capabilities,
            dataset,
            num_rows=settings.anchor_rows,
            row_tokens=settings.anchor_row_tokens,
            watched_layers=settings.num_layers,
        )
        self._anchors = AnchorWatch(live, texts)
        self.ring = SnapshotRing(folder, capacity=settings.num_snapshots)
        self._file = folder / _BASE_FILE
        self._base: dict[str, Float[ndarray, " items"]] = {}
        self._right: dict[str, Float[ndarray, " items"]] = {}
        self._groups = {c.name: _numbers(c.groups()) for c in capabilities}

    @property
    def num_tokens(self) -> int:
        """Tokens that one check puts forward, those of the step's probe included."""
        return (
            self._watch.num_tokens + self._anchors.texts.num_tokens + 4 * self._settings.step_tokens
        )

    def read_base(self) -> None:
        """Score and read the base, where the model now stands, and keep it on disk."""
        values = self._watch.values()
        self._base = self._watch.as_losses(values)
        self._right = {n: own["accuracy"] for n, own in values.items() if "accuracy" in own}
        held = {f"loss/{name}": torch.from_numpy(v) for name, v in self._base.items()}
        held |= {f"right/{name}": torch.from_numpy(v) for name, v in self._right.items()}
        held |= {f"anchors/{name}": t.contiguous() for name, t in self._anchors.read_base().items()}
        self.ring.save(self._live.trained, 0)
        if is_main():
            try:
                save_file(held, self._file, metadata={"watched": self._digest()})
            except (OSError, SafetensorError) as error:
                raise OutputError(f"{self._file}: cannot be written ({error})") from error
        wait_for_all()

    def restore_base(self) -> None:
        """Read the base's numbers from disk, if a run resumes from a checkpoint."""
        try:
            held = load_file(self._file)
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"{self._file}: what the base scored at step 0 cannot be read ({error}); a run can "
                "only be resumed with the monitor that it began with, in the same folder"
            ) from error
        requested = {f"loss/{c.name}": len(c.items) for c in self.capabilities}
        result = {n: len(t) for n, t in held.items() if n.startswith("loss/")}
        if requested != result:
            raise RunError(
                f"{self._file}: holds scores of other capabilities; give the same suites"
            )
        self._base = {n.removeprefix("loss/"): held[n].numpy() for n in requested}
        kind = "right/"
        self._right = {
            n.removeprefix(kind): t.numpy() for n, t in held.items() if n.startswith(kind)
        }
        prefix = "anchors/"
        self._anchors.restore_base(
            {n.removeprefix(prefix): t for n, t in held.items() if n.startswith(prefix)}
        )

    def check_sensitivity(self) -> float | None:
        """Show on a perturbed copy that every required capability could raise its alarm.

        Returns:
            The noise that sufficed; None where nothing is required.

        Raises:
            ConfigError: A required capability could not.
            RunError: The weights or the scores did not come back.
        """
        required = [c for c in self.capabilities if c.required]
        if not required:
            return None
        needed = evidence_needed(len(required), self._settings, MonitorState())

        def trips() -> dict[str, bool]:
            losses = self._watch.losses()
            if self._settings.act_on == "measured":
                means = mean_losses(losses, self._base)
                return {c.name: means[c.name] > c.tolerance for c in required}
            return {
                c.name: Looks().after(self._evidence(c, losses)).log_evidence >= needed
                for c in required
            }

        noise = check_sensitivity(self._live.trained, trips, seed=self._settings.seed)
        # Weights were compared bit by bit; the anchors show what else a pass could have left.
        if self.glance() != 0:
            raise RunError("the base's output changed during the sensitivity self-test")
        return noise

    def look(self, step: int, step_reading: StepReading, state: MonitorState) -> CheckResult:
        """Measure, and add to the evidence."""
        values = self._watch.values()
        losses = self._watch.as_losses(values)
        means = mean_losses(losses, self._base)
        limits = {}
        state.steps.append(step)
        for capability in self.capabilities:
            name = capability.name
            state.losses.setdefault(name, []).append(means[name])
            if capability.required:
                looks = state.looks(name).after(self._evidence(capability, losses))
                state.keep(name, looks)
                limits[name] = self._limit(capability, losses, looks)
        weights = self._weights()
        anchors = self._anchors.read(weights)
        update = update_norm(self._live.trained, weights, self._critical)
        reading = CheckReading(
            step,
            means,
            limits,
            anchors,
            step_reading,
            self.held,
            self._standard_errors(losses),
            accuracies(values),
            update.relative,
        )
        return CheckResult(reading, update)

    @property
    def base_accuracies(self) -> dict[str, float]:
        """Share of items that the base gets right, where the scorer has options."""
        return {name: float(right.mean()) for name, right in self._right.items()}

    def _standard_errors(self, losses: dict[str, Float[ndarray, " items"]]) -> dict[str, float]:
        result = {
            c.name: standard_error(losses[c.name] - self._base[c.name], groups=c.groups())
            for c in self.capabilities
        }
        return {name: error for name, error in result.items() if error is not None}

    @cached_property
    def held(self) -> frozenset[str]:
        """Capabilities at which the base is better than guessing."""
        return frozenset(
            c.name
            for c in self.capabilities
            if is_held(c, self._base[c.name], right=self._right.get(c.name))
        )

    @property
    def deciding(self) -> tuple[Capability, ...]:
        """The required capabilities at which the base is better than guessing: only these can be lost or kept."""
        return tuple(c for c in self.capabilities if c.required and c.name in self.held)

    @property
    def num_glance_tokens(self) -> int:
        """Tokens that one glance puts forward."""
        return sum(map(len, self._anchors.texts.suite.rows))

    def glance(self) -> float:
        """Measure the divergence of the output at suite text from the base's, in nats per token."""
        return self._anchors.glance()

    def means(self) -> dict[str, float]:
        """Compute mean losses at the current weights, without adding to the evidence."""
        return mean_losses(self._watch.losses(), self._base)

    def _weights(self) -> BaseWeights | None:
        folder = self.ring.base
        return None if folder is None else BaseWeights(self._live.trained, folder)

    def _evidence(
        self, capability: Capability, losses: dict[str, Float[ndarray, " items"]]
    ) -> float:
        if capability.max_group_size is None:
            return 0.0
        return look_evidence(
            losses[capability.name] - self._base[capability.name],
            tolerance=capability.tolerance,
            largest_gain=largest_gain(capability),
            groups=self._groups[capability.name],
            max_group_size=capability.max_group_size,
        )

    def _limit(
        self, capability: Capability, losses: dict[str, Float[ndarray, " items"]], looks: Looks
    ) -> float:
        if capability.max_group_size is None:
            return -largest_gain(capability)
        num_required = sum(c.required for c in self.capabilities)
        return lowest_mean(
            losses[capability.name] - self._base[capability.name],
            largest_gain=largest_gain(capability),
            number=looks.num_looks,
            alpha=self._settings.alpha / num_required,
            groups=self._groups[capability.name],
            max_group_size=capability.max_group_size,
        )

    def _digest(self) -> str:
        watched: list[JsonValue] = [[c.name, c.digest] for c in self.capabilities]
        return digest_value(watched)


def accuracies(values: ItemValues) -> dict[str, float]:
    """Compute the share of items that are right, where the scorer has options."""
    return {n: float(own["accuracy"].mean()) for n, own in values.items() if "accuracy" in own}


def is_held(
    capability: Capability,
    losses: Float[ndarray, " items"],
    *,
    right: Float[ndarray, " items"] | None = None,
) -> bool:
    """Return whether a model beats guessing at a capability, so that it can lose it.

    The share of items that it gets right lies above chance by 1.64 standard errors of a guess.

    Args:
        capability: With its items.
        losses: Each item's score, more being worse.
        right: 1 for each item that the model gets right, else 0; None takes the items whose loss is
            below 0, which is the same for margins and accuracies, and for no other metric.

    Returns:
        True where guessing has no meaning.
    """
    chance = capability.chance
    if chance is None or chance in (0.0, 1.0):
        return True
    share = float(numpy.mean(losses < 0 if right is None else right > 0))
    return share - chance >= _STANDARD_ERRORS * math.sqrt(chance * (1 - chance) / len(losses))


def largest_gain(capability: Capability) -> float:
    """Return the largest gain of an item that counts against losses of others, in its unit.

    >>> from driftline.capabilities import MinimalPair
    >>> items = tuple(MinimalPair(id=str(i), good="a", bad="b") for i in range(2))
    >>> largest_gain(Capability("pairs", "minimal_pair", "margin_nats", 0.25, items))
    1.0

    Args:
        capability: By its metric: flips count whole.

    Returns:
        A positive number.
    """
    if capability.measure.largest_loss <= 1.0:
        return 1.0
    return max(_GAIN_NATS, _GAIN_TOLERANCES * capability.tolerance)


def _numbers(groups: Sequence[str]) -> ndarray[tuple[int], numpy.dtype[numpy.int64]]:
    """Return a number for each group."""
    result: ndarray[tuple[int], numpy.dtype[numpy.int64]] = numpy.unique(
        numpy.asarray(groups), return_inverse=True
    )[1]
    return result
