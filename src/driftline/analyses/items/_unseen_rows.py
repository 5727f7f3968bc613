"""Rows of the run's own task that a probe has trained on, and rows that it has not."""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...capabilities import Capability
from ...errors import DataError
from ...models import LanguageModel, TrainingData, TrainingPlan
from ...provenance import digest_value
from ._target import target_capability

NUM_ROWS = 64
"""Rows of either kind, at most."""
_FEWEST = 4
_LOOKED_AT = 4
"""Times `NUM_ROWS` that are drawn, so that rows without an answer and copies can be passed over."""

Source = Literal["evaluation data", "rows that the probe does not reach"]


@dataclass(frozen=True)
class TargetRows:
    """Rows of one task, with the same answers scored in the same way."""

    source: Source | None
    """Source of the rows that are not trained on; None where there are none."""
    unseen: Capability | None = None
    seen: Capability | None = None
    """None where it is not known which rows the probe trains on."""
    num_copies: int = 0
    """Rows of the evaluation data that were left out because the run trains on them."""
    reason: str | None = None
    """Reason why there are no rows that are not trained on, with what to do about it."""

    @property
    def both(self) -> tuple[Capability, ...]:
        """The capabilities that there are."""
        return tuple(each for each in (self.seen, self.unseen) if each is not None)


def target_rows(
    data: TrainingData,
    plan: TrainingPlan,
    *,
    taken: int,
    reached: int,
    evaluation: TrainingData | None,
    opened: LanguageModel,
    seed: int,
    chat_template: str | None = None,
) -> TargetRows:
    """Choose rows that a probe trains on, and rows that it does not; what is trained stays as it is.

    Args:
        plan: Has the order in which the run takes them.
        taken: Steps that the probe trains at least.
        reached: Steps that it trains at most.
        evaluation: Rows to evaluate on, if the user has some; they are taken rather than the run's own.
        opened: The base.
        seed: Random seed of the samples.
        chat_template: Template of the run's chats, if it is not the model's own.
    """
    draw = _Draw(opened, seed, chat_template)
    trained = plan.rows_taken(taken)
    seen = draw.sample(data, trained, "rows trained on")
    if evaluation is not None:
        known = set(_digests(data, range(len(data.examples))))
        places = range(len(evaluation.examples))
        fresh = _others(evaluation, places, known)
        unseen = draw.sample(evaluation, fresh, "rows not trained on")
        copies = len(places) - len(fresh)
        if unseen is None:
            reason = f"{evaluation.name} has fewer than {_FEWEST} rows that can be scored and that the run does not train on"
            return TargetRows(None, None, seen, copies, reason)
        return TargetRows("evaluation data", unseen, seen, copies)
    if not plan.first_pass:
        return TargetRows(
            None,
            reason="the order in which the run takes its rows is not known beforehand (they are packed, "
            "streamed or sorted by length); name rows that it does not train on with --eval-data",
        )
    known = set(_digests(data, plan.rows_taken(reached)))
    unseen = draw.sample(data, _others(data, plan.rows_left(reached), known), "rows not trained on")
    if unseen is None:
        return TargetRows(
            None,
            None,
            seen,
            reason=f"the probe takes every row of {data.name} at least once; name rows that the run does not "
            "train on with --eval-data",
        )
    return TargetRows("rows that the probe does not reach", unseen, seen)


@dataclass(frozen=True)
class _Draw:
    """Makes capabilities of samples of rows."""

    opened: LanguageModel
    seed: int
    chat_template: str | None

    def sample(self, data: TrainingData, places: Sequence[int], name: str) -> Capability | None:
        """Make a capability of some of the rows; None where too few can be scored."""
        if len(places) < _FEWEST:
            return None
        drawn = random.Random(f"{self.seed}|{name}").sample(
            list(places), min(len(places), _LOOKED_AT * NUM_ROWS)
        )
        try:
            result = target_capability(
                data.select(drawn, name=data.name),
                seed=self.seed,
                opened=self.opened,
                num_items=NUM_ROWS,
                chat_template=self.chat_template,
            )
        except DataError:
            return None
        if len(result.items) < _FEWEST:
            return None
        return replace(result, name=name, description=f"{name}: a sample of {data.name}")


def _digests(data: TrainingData, places: Sequence[int]) -> Iterator[str]:
    """Name rows by what they say."""
    return (digest_value(data.examples[place]) for place in places)


def _others(data: TrainingData, places: Sequence[int], known: Collection[str]) -> list[int]:
    """Leave out the rows that say the same as known ones."""
    pairs = zip(places, _digests(data, places), strict=True)
    return [place for place, digest in pairs if digest not in known]
