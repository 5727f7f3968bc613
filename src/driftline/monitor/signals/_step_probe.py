"""One optimiser step under the lens: was its effect on its batch predictable?

Losses of the very batch are measured along the step after it was taken. Only forward passes are made,
so it works with every attention kernel, under DDP and under FSDP2; a second backward pass exists for
none of the fused kernels.
"""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import TrainingArguments
from trl import SFTConfig

from ...models import rounded_products
from ..handles import (
    LiveModel,
    OffloadedCopy,
    mean_over_processes,
    put,
    reshard,
    trained_parameters,
    untouched,
)

_LEAST_NATS = 2e-5
"""Second differences of losses below this are rounding of float32."""
_DROPPED = ("labels", "num_items_in_batch", "fused_lm_head", "output_router_logits")


NO_LABELS = "the trainer's loss is not that of labels in the batch"


class StepReading(NamedTuple):
    """One step; a number that is None has its reason in `reason`."""

    first_order_nats: float | None = None
    """Predicted change of the batch's loss, from the slope along the step."""
    second_order_nats: float | None = None
    """And with the curvature along the step."""
    measured_nats: float | None = None
    """Change of the batch's loss by the step."""
    unpredictability: float | None = None
    """|measured - second order| over the larger of both."""
    reason: str | None = None


def is_loss_of_labels(args: TrainingArguments) -> bool:
    """Return whether a trainer minimises the mean negative log-likelihood of labelled tokens.

    TRL's trainers of preferences and rewards hand labels to the model as well, to get
    log-probabilities for a loss of their own, so the batch does not tell.

    Args:
        args: The trainer's.

    Returns:
        True for plain arguments of transformers and for SFT with its default loss.
    """
    if args.label_smoothing_factor:
        return False
    if isinstance(args, SFTConfig):
        return args.loss_type in ("nll", "chunked_nll")
    return not any(kind.__module__.split(".")[0] == "trl" for kind in type(args).__mro__)


class BatchRecorder:
    """Recorder of the inputs of a forward pass in training, on request.

    Its hook is on the model from the request to that pass alone, since nobody takes it off when training
    raises. If it raises in between, the hook goes with the recorder.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        """Set the model, which is not touched before the first request."""
        self.wanted = False
        self.batch: dict[str, Any] | None = None
        self._model = model
        self._remove: Callable[[], object] | None = None

    def listen(self) -> None:
        """Request the next pass; the model's inputs are not changed."""
        self.close()
        heard = weakref.WeakMethod(self._hear)

        def hook(module: torch.nn.Module, _args: object, kwargs: dict[str, Any]) -> None:
            if (hear := heard()) is not None:
                hear(module, kwargs)

        handle = self._model.register_forward_pre_hook(hook, with_kwargs=True)
        self._remove = weakref.finalize(self, handle.remove)
        self.wanted = True

    def take(self) -> dict[str, Any] | None:
        """Return the inputs, which are kept no longer; None where no pass was seen."""
        batch = self.batch
        self.close()
        return batch

    def close(self) -> None:
        """Stop listening, and drop what was heard."""
        self._stop()
        self.wanted, self.batch = False, None

    def _hear(self, module: torch.nn.Module, kwargs: dict[str, Any]) -> None:
        # A copy of the model has a copy of the hook, which nobody can take off.
        if self._remove is not None and module.training and torch.is_grad_enabled():
            self._stop()
            self.batch = dict(kwargs)

    def _stop(self) -> None:
        if self._remove is not None:
            self._remove()
        self._remove = None


@dataclass
class StepProbe:
    """Measurement of the next step; `before` and `after` go around it."""

    live: LiveModel
    num_tokens: int
    folder: Path
    """For copies of weights, for the time of a step."""
    is_loss_of_labels: bool = True
    """Property of the trainer: False if the loss is computed outside the model, from its
    outputs."""
    _before: OffloadedCopy | None = None
    _batch: "_Batch | None" = None
    _reading: StepReading = field(default_factory=StepReading)

    def before(self, batch: dict[str, Any] | None) -> None:
        """Keep the batch, and the weights before the step.

        Cost: a copy of the trained weights, offloaded until `after`.

        Args:
            batch: Inputs of a forward pass in training, the step's first.
        """
        self.forget()
        result = _Batch.of(batch, self.num_tokens) if self.is_loss_of_labels else NO_LABELS
        if isinstance(result, str):
            self._reading = StepReading(reason=result)
            return
        self._batch = result
        try:
            self._before = OffloadedCopy.of(trained_parameters(self.live.trained), self.folder)
        except OSError as error:
            self._reading = StepReading(reason=f"no room for copies of the weights: {error}")

    def after(self) -> StepReading:
        """Measure along the step that was taken; weights end bit for bit as the step left them.

        Slope and curvature at the start are central differences over half a step to either side, so

        the whole step is predicted and not fitted.
        """
        if self._before is None or self._batch is None:
            return self._reading
        before, self._before = self._before, None
        parameters = trained_parameters(self.live.trained)
        try:
            taken = OffloadedCopy.of(parameters, self.folder)
        except OSError as error:
            before.close()
            why = f"no room for copies of the weights: {error}"
            self._reading = self._reading._replace(reason=why)
            return self._reading

        def at(share: float) -> float:
            def place(name: str, _now: Tensor) -> Tensor:
                start = before.get(name)
                return taken.get(name).sub_(start).mul_(share).add_(start)

            put(parameters, place)
            return self._loss()

        try:
            back, here, ahead = at(-0.5), at(0.0), at(0.5)
        finally:
            put(parameters, lambda name, _now: taken.get(name))
            before.close()
            taken.close()
        whole = self._loss()
        back, here, ahead, whole = mean_over_processes([back, here, ahead, whole])
        slope, bend = ahead - back, 4 * (ahead - 2 * here + back)
        predicted, measured = slope + bend / 2, whole - here
        larger = max(abs(predicted), abs(measured))
        self._reading = reading = self._reading._replace(
            first_order_nats=_finite(slope),
            second_order_nats=_finite(predicted),
            measured_nats=_finite(measured),
        )
        if not math.isfinite(larger):
            self._reading = reading._replace(reason="a loss along the step is not finite")
            return self._reading
        if larger < 10 * _LEAST_NATS:
            why = f"the step changes the batch's loss by less than {10 * _LEAST_NATS:g} nats"
            self._reading = reading._replace(reason=reading.reason or why)
        else:
            off = abs(measured - predicted) / larger
            self._reading = reading._replace(unpredictability=off)
        return self._reading

    def forget(self) -> None:
        """Drop what was measured, and the copies of the weights."""
        if self._before is not None:
            self._before.close()
        self._reading, self._before, self._batch = StepReading(), None, None

    def reading(self) -> StepReading:
        """Return the measurements of the last probed step."""
        return self._reading

    def _loss(self) -> float:
        assert self._batch is not None
        return self._batch.loss(self.live)


class _Batch(NamedTuple):
    """Some rows of a training batch, whose loss is the mean over labelled tokens."""

    inputs: dict[str, Any]
    labels: Tensor

    @classmethod
    def of(cls, given: dict[str, Any] | None, num_tokens: int) -> "_Batch | str":
        """Take rows from a batch, or return why not."""
        if given is None:
            return "no forward pass was seen"
        labels, ids = given.get("labels"), given.get("input_ids")
        if labels is None or ids is None or ids.shape != labels.shape:
            return NO_LABELS
        rows = max(1, num_tokens // ids.shape[1])
        inputs = {
            key: value[:rows]
            if isinstance(value, Tensor) and value.dim() and len(value) == len(ids)
            else value
            for key, value in given.items()
            if key not in _DROPPED
        }
        if not (labels[:rows, 1:] != -100).any():
            return "the rows hold no labelled token"
        return cls(inputs, labels[:rows])

    def loss(self, live: LiveModel) -> float:
        """Compute nats per labelled token, in evaluation mode."""
        model = live.trained
        with untouched(model), rounded_products(model, bfloat16=False):
            logits: Tensor = model(**self.inputs).logits
            # In float32, whatever autocast says: differences of losses are small.
            flat = logits[:, :-1].float().flatten(0, 1)
            value = torch.nn.functional.cross_entropy(flat, self.labels[:, 1:].flatten())
        reshard(model)
        return float(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
