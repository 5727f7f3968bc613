"""Compares a tuned model's config with the base's by what the model's code reads of it.

The reads are recorded while the model is built without weights and while the base runs a few tokens.
A key that nothing reads, such as the notes that a trainer leaves, changes no score.
"""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from transformers import PreTrainedConfig

from ...errors import ModelError

_ADDS_OUTPUTS = {
    "output_attentions", "output_hidden_states", "output_router_logits", "return_dict",
    "use_cache", "use_return_dict", "problem_type", "id2label", "label2id",
}  # fmt: skip
"""Keys that only decide what is returned in addition to the logits."""
_TRAINING_ONLY = {
    "router_aux_loss_coef", "router_z_loss_coef", "aux_loss_alpha", "seq_aux", "router_jitter_noise",
    "input_jitter_noise", "gradient_checkpointing", "layerdrop", "init_std",
}  # fmt: skip
"""Read for the loss, for noise in training, or for weights that are then replaced."""
_TRAINING_ONLY_PARTS = ("dropout", "_pdrop", "initializer_", "rescale_prenorm")
_SEEN_ELSEWHERE = {
    "_name_or_path", "architectures", "transformers_version", "auto_map", "dtype", "torch_dtype",
    "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings",
}  # fmt: skip
"""Ties are seen in the weights; both models end at the base's tokens and have the base's dtype."""

Reads = dict[type, set[str]]
"""Class of a config, outer or nested, to the keys that were read of it."""


@contextlib.contextmanager
def recorded_reads(*configs: PreTrainedConfig) -> Iterator[Reads]:
    """Record which keys of some classes of configs this thread reads while the block runs.

    Args:
        configs: Configs of these classes, with the configs nested in them.

    Yields:
        The reads so far. Keys that a class gives another name are recorded under their own.
    """
    reads: Reads = defaultdict(set)
    classes = {type(nested) for config in configs for nested in _nested(config)}
    thread = threading.get_ident()
    with contextlib.ExitStack() as stack:
        for cls in classes:
            stack.callback(_watch(cls, reads, thread))
        yield reads


def check_configs(
    tuned: PreTrainedConfig, base: PreTrainedConfig, reads: Reads, *, source: str
) -> None:
    """Refuse a tuned model whose config makes its code compute something else than the base."""
    result = _first_difference(tuned, base, reads)
    if result is not None:
        key, theirs, ours = result
        raise ModelError(
            f"{source}: its config.json says {key} {theirs!r} and the base's {ours!r}, so their "
            "weights do not compute the same; give the base that it was tuned from"
        )


def _watch(cls: type, reads: Reads, thread: int) -> "_PutBack":
    own = vars(cls).get("__getattribute__")
    original: Callable[[object, str], object] = getattr(cls, "__getattribute__")  # noqa: B009

    def recording(self: object, key: str) -> object:
        if threading.get_ident() == thread:
            names: Mapping[str, str] = getattr(type(self), "attribute_map", {})
            reads[type(self)].add(names.get(key, key))
        return original(self, key)

    cls.__getattribute__ = recording  # type: ignore[method-assign,assignment]
    return _PutBack(cls, own)


class _PutBack:
    """Removal of the recording from a class."""

    def __init__(self, cls: type, own: object) -> None:
        self._cls, self._own = cls, own

    def __call__(self) -> None:
        if self._own is None:
            del self._cls.__getattribute__
        else:
            self._cls.__getattribute__ = self._own  # type: ignore[method-assign,assignment]


def _nested(config: PreTrainedConfig) -> Iterator[PreTrainedConfig]:
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PreTrainedConfig):
            yield from _nested(value)


def _first_difference(
    tuned: PreTrainedConfig, base: PreTrainedConfig, reads: Reads
) -> tuple[str, object, object] | None:
    """Return the first key, sorted by name, that is read and differs, with both values."""
    if tuned.model_type != base.model_type:
        return "model_type", tuned.model_type, base.model_type
    theirs, ours = _values(tuned), _values(base)
    read = reads.get(type(tuned), set()) | reads.get(type(base), set())
    for key in sorted(theirs.keys() | ours.keys()):
        if key not in read or not _counts(key):
            continue
        left, right = theirs.get(key), ours.get(key)
        if isinstance(left, PreTrainedConfig) and isinstance(right, PreTrainedConfig):
            result = _first_difference(left, right, reads)
        else:
            result = _difference(left, right)
        if result is not None:
            return ".".join(part for part in (key, result[0]) if part), *result[1:]
    return None


def _difference(left: object, right: object) -> tuple[str, object, object] | None:
    """Return the path of keys at which two values differ, empty for the values themselves."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted(left.keys() | right.keys(), key=str):
            result = _difference(left.get(key), right.get(key))
            if result is not None:
                return ".".join(part for part in (str(key), result[0]) if part), *result[1:]
        return None
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return None if list(left) == list(right) else ("", left, right)
    return None if left == right else ("", left, right)


def _values(config: PreTrainedConfig) -> dict[str, object]:
    return dict(vars(config))


def _counts(key: str) -> bool:
    if key in _ADDS_OUTPUTS | _TRAINING_ONLY | _SEEN_ELSEWHERE or key.startswith("_"):
        return False
    return not any(part in key for part in _TRAINING_ONLY_PARTS)
