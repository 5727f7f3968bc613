"""The scores of base and tuned model that the claims of a certification rest on."""

from collections.abc import Sequence

import numpy

from ...capabilities import Capability, Passage, right_text
from ...engine import Engine, Table
from ...errors import ModelError
from ...models import BASE, LanguageModel, TunedModel, is_held_as_stored
from ..comparison import Paired, no_pass
from ..suite_scores import batches
from ._sequential_scoring import score_until_clear
from ._subjects import base_subject, tuned_subject

_NUM_PROBED = 8
"""Items of each capability whose texts show whether tuning reaches the logits at all."""


def has_same_weights(tuned: TunedModel, opened: LanguageModel, digest: str | None) -> bool:
    """Tell whether base and tuned model compute the same, so that one scoring serves both.

    Args:
        tuned: The tuned model.
        opened: The base that it belongs to.
        digest: Digest of the weights at the tuned point, as they are held; None where they are kept apart.

    Returns:
        True for equal digests, or for the same files.
    """
    return digest == opened.digest or _has_same_files(tuned, opened)


def is_same_model(tuned: TunedModel, opened: LanguageModel, digest: str | None) -> bool:
    """Tell whether the tuned weights are the base's, bit for bit, in the files too.

    Args:
        tuned: The tuned model.
        opened: The base that it belongs to.
        digest: Digest of the weights at the tuned point, as they are held; None where they are kept apart.

    Returns:
        True for equal digests that no rounding made equal, or for the same files.
    """
    is_equal = digest == opened.digest and is_held_as_stored(tuned)
    return is_equal or _has_same_files(tuned, opened)


def score_once(capabilities: Sequence[Capability], engine: Engine) -> tuple[Paired, ...]:
    """Score the base alone, for a tuned model whose weights are the same.

    Cost: one forward pass over the items.

    Returns:
        The scores of the base on both sides.
    """
    engine.meter.plan(engine.num_tokens(capabilities))
    rows = {}
    for together in batches(capabilities, engine):
        rows.update(engine.evaluate((BASE,), together).rows)
    scores = [(c, Table(rows).item_metrics(BASE, c)) for c in capabilities]
    return tuple(Paired(capability, base, base) for capability, base in scores)


def score_both(
    capabilities: Sequence[Capability],
    engine: Engine,
    tuned: TunedModel,
    *,
    alpha: float,
    seed: int,
    sequential: bool,
) -> tuple[Paired, ...]:
    """Score the base and the tuned model on the same items.

    Cost: two forward passes over the items, or over those until each decision.

    Args:
        alpha: Accepted chance that a loss of the margin passes, of each claim.
        seed: Random seed of the orders in sequence.
        sequential: Stop each capability that can pass when its decision is clear.

    Returns:
        The scores that each claim rests on, in the order of the capabilities.

    Raises:
        ModelError: Weights that differ move no score.
    """
    # Where nothing could pass there are no bets, so such items are scored all of them.
    in_sequence = tuple(c for c in capabilities if sequential and no_pass(c) is None)
    whole = tuple(c for c in capabilities if c not in in_sequence)
    engine.meter.plan(2 * engine.num_tokens(whole))
    rows = {}
    for together in batches(whole, engine) if whole else ():
        rows.update(engine.evaluate((BASE, tuned.point), together).rows)
    pairs = [_paired(capability, Table(rows), tuned) for capability in whole]
    pairs += score_until_clear(in_sequence, engine, tuned.point, alpha=alpha, seed=seed)
    if not any(pair.num_moved for pair in pairs):
        _check_effect(tuned, capabilities, engine)
    result = {pair.capability.name: pair for pair in pairs}
    return tuple(result[capability.name] for capability in capabilities)


def _check_effect(tuned: TunedModel, capabilities: Sequence[Capability], engine: Engine) -> None:
    """Check that differing weights change some logit; otherwise the comparison is void."""
    texts = [right_text(item) for c in capabilities for item in c.items[:_NUM_PROBED]]
    items = tuple(Passage(id=str(index), text=text) for index, text in enumerate(texts))
    probe = Capability("effect of tuning", "perplexity", "nll_nats", 1.0, items)
    engine.meter.plan(2 * engine.num_tokens((probe,)))
    table = engine.evaluate((BASE, tuned.point), (probe,))
    if numpy.array_equal(table.values(BASE, probe), table.values(tuned.point, probe)):
        raise ModelError(
            f"{tuned.checkpoint.source}: its weights differ from the base's and not one score "
            "does, so tuning does not reach what is scored; check which modules it changes"
        )


def _paired(capability: Capability, table: Table, tuned: TunedModel) -> Paired:
    return Paired(
        capability,
        table.item_metrics(BASE, capability),
        table.item_metrics(tuned.point, capability),
    )


def _has_same_files(tuned: TunedModel, opened: LanguageModel) -> bool:
    """Tell whether both models are the same files, also where the base is quantised or offloaded."""
    own, base = tuned_subject(tuned), base_subject(opened)
    return own.kind == base.kind and len(own.files) > 0 and own.files == base.files
