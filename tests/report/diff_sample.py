"""A realistic diff: thirty layers that moved in the MLP, a vector, an estimate, a broken weight."""

from driftline.results import (
    BadTensor,
    ChangeGroup,
    DiffProvenance,
    Intruders,
    SourceProvenance,
    Spectrum,
    Subject,
    TensorChange,
    WeightDiff,
)

LAYERS = 30
ROLES = ("q", "k", "v", "o", "gate", "up", "down", "norm")
REASON = "the smaller side is above 1024"


def _group(layer, role, share, *, changed=1, relative=0.01) -> ChangeGroup:
    return ChangeGroup(
        layer=layer,
        role=role,
        num_weights=2,
        num_changed=changed,
        num_parameters=1000,
        relative_change=relative,
        share=share,
    )


def _change(layer: int, role: str, text: str) -> TensorChange:
    estimated = role == "down"
    spectrum = Spectrum(
        method="krylov" if estimated else "gram",
        is_exact=not estimated,
        largest_singular_values=(0.5, 0.25),
        effective_rank=None if estimated else 12.5,
        stable_rank=3.25,
        energy_rank=7,
        reason=REASON if estimated else None,
    )
    intruders = Intruders(num_intruders=2, top_k=10, threshold=0.5, largest_cosines=(0.4, 0.9))
    is_vector = role == "norm"
    return TensorChange(
        name=f"model.layers.{layer}.mlp.{role}_proj{text}.weight",
        layer=layer,
        role=role,
        shape=(64,) if is_vector else (64, 64),
        base_dtype="bfloat16",
        tuned_dtype="bfloat16",
        base_norm=10.0,
        change_norm=0.1 * (layer + 1),
        relative_change=0.01 * (layer + 1),
        share=0.01,
        rounding_floor=1.56e-3,
        at_rounding=layer == 0,
        spectrum=None if is_vector else spectrum,
        spectrum_reason="not a matrix" if is_vector else None,
        intruders=None if is_vector or estimated else intruders,
        intruders_reason="not a matrix" if is_vector else REASON if estimated else None,
    )


def _subject(source: str, kind, text: str) -> Subject:
    file = SourceProvenance(name=f"model{text}.safetensors", digest="sha256:" + "a" * 64)
    return Subject(source=source + text, revision=None, kind=kind, files=(file,))


def build_diff(text: str = "") -> WeightDiff:
    """The diff; `text` is put wherever a file can put any."""
    shares = dict.fromkeys(ROLES, 0.02) | {"gate": 0.3, "up": 0.3, "down": 0.28}
    layers = [0.2 if layer in (3, 4, 9) else 0.4 / (LAYERS - 3) for layer in range(LAYERS)]
    return WeightDiff(
        total=_group(None, None, 1.0, changed=2, relative=0.0123),
        by_layer=(
            *(_group(layer, None, share) for layer, share in enumerate(layers)),
            _group(None, None, 0.0, changed=0, relative=0.0),
        ),
        by_role=tuple(_group(None, role, share) for role, share in shares.items()),
        by_module=tuple(
            _group(layer, role, share / LAYERS, relative=0.001 * layer)
            for layer in range(LAYERS)
            for role, share in shares.items()
        ),
        changes=tuple(
            _change(layer, role, text)
            for layer in range(LAYERS)
            for role in ("gate", "down", "norm")
        ),
        num_rounded_copies=0,
        only_in_base=(f"rotary{text}",),
        only_in_tuned=(),
        tied=(f"lm_head{text}.weight",),
        untied=(),
        not_finite=(BadTensor(name=f"model.broken{text}", side="tuned"),),
        spectra="fast",
        wall_seconds=12.3,
        num_bytes=2_000_000_000,
        caveats=(f"Weights alone{text}.", "Another."),
        provenance=DiffProvenance(
            driftline_version="0.1.0",
            python_version="3.11.9",
            packages={"torch": "2.13.0"},
            command="diff",
            base=_subject("path/to/base", "model", text),
            tuned=_subject("path/to/tuned", "adapter", text),
            seed=0,
            created="2026-01-02T03:04:05+00:00",
        ),
    )


def unmoved(kind="adapter") -> WeightDiff:
    """A diff in which nothing moved."""
    sample = build_diff()
    tuned = _subject("path/to/tuned", kind, "")
    provenance = sample.provenance.model_copy(update={"tuned": tuned})
    sample = sample.model_copy(update={"provenance": provenance})
    still = {"num_changed": 0, "relative_change": 0.0, "share": None}

    def rest(groups):
        return tuple(group.model_copy(update=still) for group in groups)

    return sample.model_copy(
        update={
            "total": sample.total.model_copy(update=still),
            "by_layer": rest(sample.by_layer),
            "by_role": rest(sample.by_role),
            "by_module": rest(sample.by_module),
            "changes": (),
            "not_finite": (),
        }
    )
