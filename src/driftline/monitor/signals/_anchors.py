"""Output and representation against the base's, at suite text and at the new task.

KL, hidden-state drift, rank, and the functional magnitude of the update.
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch
from numpy import ndarray
from peft.tuners.lora import LoraLayer
from torch import Tensor

from ...capabilities import Capability, right_text
from ...errors import ModelError, RunError
from ...measures import debiased_linear_cka, effective_rank, gram_matrix, kl_divergence_nats
from ...models import PackedRows, encode_packed, num_layers, rounded_products
from ..handles import BaseWeights, LiveModel, agreed, first_rows, is_sharded, reshard

_LOG_PROBS_AT_MOST = 2**22
"""Log-probabilities that are kept of the base: 16 MiB of float32 a kind of text."""
_MATRIX = (torch.nn.Linear, LoraLayer)


class LayerReading(NamedTuple):
    """One watched layer at suite text."""

    layer: int
    cka: float | None
    """Debiased linear CKA with the base; None where states have no spread."""
    rank_ratio: float | None
    """Effective rank over the base's."""
    functional_magnitude: float | None
    """Mean of ||dW x|| / ||x|| over tokens and the layer's trained matrices."""


class AnchorReading(NamedTuple):
    """Result of one check of the anchors."""

    kl_suite_nats: float
    kl_task_nats: float | None
    """None where the data set cannot be read as tokens."""
    layers: tuple[LayerReading, ...]

    @property
    def representation_drift(self) -> float | None:
        """1 - CKA, mean over layers; None where one is undefined."""
        known = [layer.cka for layer in self.layers if layer.cka is not None]
        if not known or len(known) < len(self.layers):
            return None
        return 1 - sum(known) / len(known)


@dataclass(frozen=True)
class AnchorTexts:
    """Rows of tokens at which to read; `task` is empty where there are none."""

    suite: PackedRows
    task: tuple[tuple[int, ...], ...]
    layers: tuple[int, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens of one reading."""
        return sum(map(len, (*self.suite.rows, *self.task)))


def anchor_texts(
    live: LiveModel,
    capabilities: Sequence[Capability],
    dataset: object,
    *,
    num_rows: int,
    row_tokens: int,
    watched_layers: int,
) -> AnchorTexts:
    """Choose the rows: items of the suite in turn, and the first rows of the training data.

    Args:
        dataset: The trainer's data set; its `input_ids` are read by index, so that no random number
            is drawn.
        num_rows: Number of rows of each kind.
    """
    requested, texts = 12 * num_rows * row_tokens, list[str]()
    for items in itertools.zip_longest(*(c.items for c in capabilities)):
        texts += [right_text(item)[:120] for item in items if item is not None]
        if sum(map(len, texts)) > requested:
            break
    suite = encode_packed(live.opened, texts, row_tokens=row_tokens, num_rows=num_rows)
    depth = num_layers(live.opened) or 0
    spaced = numpy.linspace(depth - 1, 0, min(watched_layers, depth) + 1)[:-1]
    layers = sorted({round(float(layer)) for layer in spaced}) if depth else []
    return AnchorTexts(suite, _task_rows(dataset, num_rows, row_tokens), tuple(layers))


class AnchorWatch:
    """Reader of the anchors, compared with the base."""

    def __init__(self, live: LiveModel, texts: AnchorTexts) -> None:
        """Store the model and the texts; the base is read or restored afterwards."""
        self._live, self.texts = live, texts
        self._base: dict[str, Tensor] = {}

    def read_base(self) -> dict[str, Tensor]:
        """Read the base, where the model now stands."""
        with self._live.at_rest():
            log_probs, grams, _ = self._pass(self.texts.suite.rows, watch=True)
            self._base = {f"gram/{n}": torch.from_numpy(g) for n, g in grams.items()}
            self._base["suite"] = log_probs
            if self.texts.task:
                self._base["task"] = self._pass(self.texts.task, watch=False)[0]
        return self._base

    def restore_base(self, held: Mapping[str, Tensor]) -> None:
        """Read the base from a file that `read_base` wrote."""
        self._base = dict(held)

    def read(self, weights: BaseWeights | None) -> AnchorReading:
        """Read where the model now stands.

        Cost: two forward passes of a few rows.

        Args:
            weights: The trained weights at step 0; None where they were not kept.

        Returns:
            The reading; the first process's numbers in every process.

        Raises:
            RunError: A state or a log-probability is not finite.
        """
        with self._live.at_rest():
            log_probs, grams, magnitudes = self._pass(
                self.texts.suite.rows, watch=True, weights=weights
            )
            kl = [kl_divergence_nats(self._base["suite"].numpy(), log_probs.numpy())]
            if self.texts.task:
                now = self._pass(self.texts.task, watch=False)[0]
                kl.append(kl_divergence_nats(self._base["task"].numpy(), now.numpy()))
        if not numpy.isfinite(kl).all():
            raise RunError("the divergence from the base is not finite")
        kl = agreed(kl)
        layers = tuple(
            self._layer(layer, grams[layer], magnitudes.get(layer)) for layer in self.texts.layers
        )
        return AnchorReading(kl[0], kl[1] if len(kl) > 1 else None, layers)

    def glance(self) -> float:
        """Measure the divergence of the output at suite text from the base's only.

        Cost: one forward pass of a few rows.

        Returns:
            Nats per token, as `read` gives it; the first process's number in every process.
        """
        with self._live.at_rest():
            log_probs = self._pass(self.texts.suite.rows, watch=False)[0]
        return agreed([kl_divergence_nats(self._base["suite"].numpy(), log_probs.numpy())])[0]

    def _layer(self, layer: int, gram: ndarray[Any, Any], magnitude: float | None) -> LayerReading:
        base = self._base[f"gram/{layer}"].numpy()
        before, now = effective_rank(base), effective_rank(gram)
        ratio = None if before is None or now is None else now / before
        return LayerReading(layer, debiased_linear_cka(base, gram), ratio, magnitude)

    def _pass(
        self,
        rows: Sequence[tuple[int, ...]],
        *,
        watch: bool,
        weights: BaseWeights | None = None,
    ) -> tuple[Tensor, dict[int, ndarray[Any, Any]], dict[int, float]]:
        """Return log-probabilities at evenly spaced positions, and Gram matrices by layer."""
        model, lead = self._live.trained, self.texts.suite.num_leading
        grams: dict[int, ndarray[Any, Any]] = {}
        magnitudes: dict[int, list[float]] = {}
        device = self._live.opened.model.get_input_embeddings().weight.device
        ids = torch.tensor(rows, device=device)

        def on_states(layer: int, states: Tensor) -> None:
            grams[layer] = gram_matrix(states[:, lead:].flatten(0, 1).float().cpu().numpy())

        with contextlib.ExitStack() as hooks:
            if watch:
                hooks.enter_context(_states_watched(self._live, self.texts.layers, on_states))
                if weights is not None and not is_sharded(model):
                    hooks.enter_context(
                        _magnitudes_watched(self._live, self.texts.layers, weights, magnitudes)
                    )
            bfloat16 = self._live.options.bfloat16
            autocast = torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
            with autocast, rounded_products(model, bfloat16=bfloat16):
                logits: Tensor = model(input_ids=ids, use_cache=False).logits
        reshard(model)
        flat = logits[:, lead:].flatten(0, 1)
        num = min(len(flat), max(1, _LOG_PROBS_AT_MOST // flat.shape[1]))
        places = torch.linspace(0, len(flat) - 1, num).round().long()
        log_probs = flat[places.to(flat.device)].float().log_softmax(dim=-1).cpu()
        return log_probs, grams, {n: sum(m) / len(m) for n, m in magnitudes.items() if m}


@contextlib.contextmanager
def _states_watched(
    live: LiveModel,
    layers: Sequence[int],
    on_states: Any,  # noqa: ANN401
) -> Iterator[None]:
    """Pass the output of some layers to a callback, in the block."""
    modules = _layers(live)

    def leaving(layer: int) -> Any:  # noqa: ANN401
        def hook(_module: object, _args: object, output: Any) -> None:  # noqa: ANN401
            on_states(layer, output[0] if isinstance(output, tuple) else output)

        return hook

    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.callback(modules[layer].register_forward_hook(leaving(layer)).remove)
        yield


@contextlib.contextmanager
def _magnitudes_watched(
    live: LiveModel,
    layers: Sequence[int],
    weights: BaseWeights,
    magnitudes: dict[int, list[float]],
) -> Iterator[None]:
    """Add ||dW x|| / ||x|| of each trained matrix in some layers, in the block."""
    names = {module: name for name, module in live.trained.named_modules()}

    def watch(layer: int, module: torch.nn.Module) -> Any:  # noqa: ANN401
        def hook(_module: object, args: tuple[Tensor, ...]) -> None:
            change = weights.change_of(names[module], module)
            if change is None:
                return
            states = args[0].flatten(0, -2).float()
            moved = (states @ change.float().T).norm(dim=1)
            lengths = states.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
            magnitudes.setdefault(layer, []).append(float((moved / lengths).mean()))

        return hook

    with contextlib.ExitStack() as hooks:
        for layer in layers:
            for module in _layers(live)[layer].modules():
                if isinstance(module, _MATRIX):
                    hook = module.register_forward_pre_hook(watch(layer, module))
                    hooks.callback(hook.remove)
        yield


def _layers(live: LiveModel) -> torch.nn.ModuleList:
    depth = num_layers(live.opened)
    for module in live.opened.model.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError(f"{live.opened.source}: has no list of layers")


def _task_rows(dataset: object, num_rows: int, row_tokens: int) -> tuple[tuple[int, ...], ...]:
    """Return the first rows of a tokenised data set, cut to one length; empty without tokens."""
    result = first_rows(dataset, 8 * num_rows) or ()
    # Of two answers the first is the one that is wanted.
    rows = [row[0][:row_tokens] for row in result if row and len(row[0]) >= 2]
    if not rows:
        return ()
    # Rows of one length need no padding; a few long ones say more than many short.
    rows = sorted(rows, key=len, reverse=True)[:num_rows]
    width = min(map(len, rows))
    return tuple(row[:width] for row in rows)
