"""Cost of random movement of a module: the divergence of the predictions."""

from collections.abc import Sequence

import torch

from ...engine import GRADIENT_TOKEN
from ...models import ModuleChange, encode_packed, fisher_traces, gradient_obstacle
from ...results import ModuleNoise
from ...stats import mean_interval
from ..probing import CONFIDENCE_LEVEL, Study
from ._belief_space import suite_texts


def noise_tokens(study: Study) -> float:
    """Return the cost of `noise_sensitivities`, in tokens of one forward pass."""
    if gradient_obstacle(study.engine.opened) is not None:
        return 0.0
    effort = study.effort
    return float(
        GRADIENT_TOKEN * effort.num_fisher_draws * effort.num_anchor_rows * effort.anchor_row_tokens
    )


def noise_sensitivities(
    study: Study, modules: Sequence[ModuleChange]
) -> tuple[tuple[ModuleNoise, ...], str | None]:
    """Estimate the divergence at texts of the suite if each module's update were random.

    Cost: about three forward passes of the texts for each draw of labels. Memory: the weights once
    more, in float32.

    Args:
        study: The planned run; the model stands at its base.
        modules: Those that the probe moves, and how far.

    Returns:
        One a module, and None; or nothing and the reason, where weights have no gradient.
    """
    engine, effort = study.engine, study.effort
    obstacle = gradient_obstacle(engine.opened)
    if obstacle is not None:
        return (), obstacle
    packed = encode_packed(
        engine.opened,
        suite_texts(study.capabilities, effort, seed=study.seed),
        row_tokens=effort.anchor_row_tokens,
        num_rows=effort.num_anchor_rows,
    )
    try:
        traces = fisher_traces(
            engine.opened,
            packed,
            engine.options,
            num_draws=effort.num_fisher_draws,
            seed=study.seed,
        )
    except torch.OutOfMemoryError:
        return (), "the gradients of all weights at once do not fit into memory"
    num_tokens = effort.num_fisher_draws * sum(map(len, packed.rows))
    engine.tokens_used += num_tokens
    engine.tokens_backward += num_tokens
    engine.meter.advance(GRADIENT_TOKEN * num_tokens)
    rows = []
    for module in (each for each in modules if each.name in traces):
        mean_square = module.change_norm**2 / module.num_parameters
        interval = mean_interval(
            mean_square / 2 * traces[module.name], confidence_level=CONFIDENCE_LEVEL
        )
        rows.append(
            ModuleNoise(
                module=module.name,
                layer=module.layer,
                role=module.role,
                num_parameters=module.num_parameters,
                root_mean_square_change=mean_square**0.5,
                expected_kl_nats=interval.value,
                low=max(0.0, interval.low),
                high=interval.high,
            )
        )
    return tuple(rows), None
