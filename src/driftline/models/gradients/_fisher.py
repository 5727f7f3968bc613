"""Change of a model's predictions when a module's weights move at random."""

from collections import defaultdict

import numpy
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ...errors import ModelError
from ..language_model import (
    LanguageModel,
    ScoringOptions,
    in_memory_weights,
    module_names,
    scoring_mode,
)
from ..scoring import PackedRows, Row, run_body, run_head
from ._gradients import asking_for_gradients, gradient_obstacle


def fisher_traces(
    opened: LanguageModel,
    packed: PackedRows,
    options: ScoringOptions,
    *,
    num_draws: int,
    seed: int = 0,
) -> dict[str, Float[ndarray, " draws"]]:
    """Estimate the trace of the Fisher information of every module, per predicted token.

    F_m = E[g g^T] with g the gradient of -log p(y) with respect to the module's weights, y drawn from
    the model's own prediction (not the data's label, which would be the empirical Fisher). If the
    weights move by independent random amounts of root mean square r each, the model's predictions
    move by about r^2 / 2 * tr F_m nats per token of D_KL(base || moved).

    Labels at different positions are drawn independently and their gradients have mean zero, so the
    squared norm of the summed gradient is, on average, the sum of the squared norms: a draw of all
    labels takes one pass back. Source: Kunstner et al. 2019 (arXiv 1905.12558) for Fisher against
    empirical Fisher; one draw a pass as in Martens and Grosse 2015 (arXiv 1503.05671).

    Cost: for each draw about three forward passes of the rows, in one batch. Memory: the weights once
    more in float32, the activations of the batch, and its logits twice.

    Args:
        opened: The model; weights, flags, `.grad`, modes and random states are left as they are.
        packed: The texts.
        options: Numerics; the head is in float32 anyway.
        num_draws: Number of draws of the labels.
        seed: Random seed of the draws.

    Returns:
        Module name to the estimate of each draw; their mean estimates the trace.

    Raises:
        ModelError: The weights have no gradient where they lie.
    """
    obstacle, weights = gradient_obstacle(opened), in_memory_weights(opened.model)
    if obstacle is not None or weights is None:
        raise ModelError(f"{opened.source}: {obstacle}")
    generator, modules = torch.Generator().manual_seed(seed), module_names(opened.model)
    rows = [Row(0, list(tokens), list(range(-1, len(tokens) - 1))) for tokens in packed.rows]
    result: dict[str, list[float]] = defaultdict(lambda: [0.0] * num_draws)
    with (
        scoring_mode(opened, options),
        torch.enable_grad(),
        asking_for_gradients(weights.values()),
    ):
        for draw in range(num_draws):
            loss, num_tokens = _drawn_loss(opened, rows, generator)
            gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    result[modules[name]][draw] += float(gradient.float().norm()) ** 2 / num_tokens
    return {module: numpy.array(values) for module, values in result.items()}


def _drawn_loss(
    opened: LanguageModel, rows: list[Row], generator: torch.Generator
) -> tuple[Tensor, int]:
    """Sum -log-likelihood of labels drawn from the predictions at every position."""
    output, _ = run_body(opened, rows, None, keep=False)
    log_probs = run_head(opened, type(output), output.last_hidden_state.flatten(0, 1)).log_softmax(
        dim=-1
    )
    # Drawn on the CPU, so that a seed means the same on every device.
    labels = torch.multinomial(log_probs.detach().exp().cpu(), 1, generator=generator)
    return -log_probs.gather(1, labels.to(log_probs.device)).sum(), len(labels)
