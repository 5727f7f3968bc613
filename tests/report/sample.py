"""A realistic assessment: ten capabilities, thirty layers and an embedding, one overdrawn margin."""

import math
import random
from collections.abc import Mapping
from statistics import NormalDist

from driftline.results import (
    Assessment,
    BeliefCurve,
    BeliefSpace,
    CapabilityForecast,
    CapabilityScore,
    Cost,
    CurvePoint,
    DriftShape,
    EnvelopeContour,
    EnvelopePoint,
    ForecastAdvice,
    LayerDrift,
    LayerGeometry,
    ModelProvenance,
    ModuleFragility,
    Numerics,
    Provenance,
    SafeEnvelope,
    SourceProvenance,
    StabilityMargin,
    TargetForecast,
)

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'

# name: base value, loss that the planned run brings, items, chance (None: perplexity), required
CAPABILITIES = {
    "grammar_pairs": (1.92, 0.021, 120, 0.5, True),
    "world_facts": (2.41, 0.312, 160, 0.25, True),
    "arithmetic": (0.64, 0.118, 100, 0.25, True),
    "induction": (4.83, 0.036, 80, 0.25, True),
    "instruction_format": (0.97, -0.164, 60, 0.5, False),
    "code": (1.31, 0.071, 90, None, True),
    "french": (2.87, 0.204, 90, None, True),
    "german": (3.05, 0.241, 90, None, False),
    "commonsense_pairs": (0.58, 0.008, 140, 0.5, True),
    "english_text": (2.66, 0.012, 120, None, True),
}
TOLERANCE = 0.1
PLANNED_STEPS = 60
LAYERS = 30
UNREACHED = "the tolerance is not reached within the 72 steps that were measured"


def build(names: Mapping[str, str] | None = None, *, text: str = "") -> Assessment:
    """The assessment; `names` renames capabilities, `text` is put wherever a user can put any."""
    names = names or {}
    called = {name: names.get(name, name) for name in CAPABILITIES}
    forecast = tuple(_forecast(name, called[name]) for name in CAPABILITIES)
    margins = tuple(_path(name, called[name]) for name in CAPABILITIES)
    margins += tuple(
        _radius(name, called[name], direction)
        for name in CAPABILITIES
        for direction in ("noise", "update", "worst_case")
    )
    lost = called["world_facts"]
    reasons = (
        f"{lost} is forecast to lose 0.312 nats, more than its tolerance of 0.100 nats{text}.",
        f"{called['french']} is forecast to lose 0.204 nats, more than its tolerance{text}.",
        f"{called['arithmetic']} may pass its tolerance: the interval includes it{text}.",
    )
    return Assessment(
        schema="driftline/assess/1",
        verdict="unsafe",
        reasons=reasons,
        risk=0.1,
        probability_any_lost=0.99,
        advice=ForecastAdvice(
            action="lower_learning_rate",
            learning_rate=6.6e-5,
            probability_any_lost=0.09,
            sentence="Lower the learning rate to 6.6e-5: P of any loss = 0.09.",
        ),
        scores=tuple(_score(name, called[name], text) for name in CAPABILITIES),
        margins=margins,
        envelope=_envelope(margins),
        fragility=_fragility(called),
        forecast=forecast,
        target=TargetForecast(
            metric="mean NLL of held-out completions",
            unit="nats",
            base_value=2.31,
            predicted_change=-0.894,
            low=-0.982,
            high=-0.806,
            confidence_level=0.9,
            num_items=64,
        ),
        belief_space=_belief_space(),
        cost=Cost(
            wall_seconds=192.4,
            tokens_forward=1_204_311,
            tokens_backward=98_304,
            fraction_of_planned_run=0.2,
        ),
        caveats=(
            "The forecast interval covers the noise of items and of short runs, not a change of "
            f"the data between now and the planned run.{text}",
            "Margins along noise and worst-case lines overstate the damage of real training; "
            "the path margin is the one in units of the config.",
            "Two capabilities have fewer than 100 items: their intervals are wide.",
        ),
        provenance=_provenance(text),
    )


def _sign(name: str) -> int:
    return 1 if CAPABILITIES[name][3] is None else -1


def _score(name: str, called: str, text: str) -> CapabilityScore:
    base, _, items, chance, required = CAPABILITIES[name]
    half = 1.4 / math.sqrt(items)
    return CapabilityScore(
        capability=called,
        description=f"What the suite says about {called}{text}",
        metric="nll_nats" if chance is None else "margin_nats",
        unit="nats",
        higher_is_better=chance is not None,
        value=base,
        low=base - half,
        high=base + half,
        confidence_level=0.95,
        num_items=items,
        accuracy=None if chance is None else min(0.98, chance + 0.1 + base / 8),
        chance=chance,
        tolerance=TOLERANCE,
        required=required,
    )


def _forecast(name: str, called: str) -> CapabilityForecast:
    base, loss, items, chance, required = CAPABILITIES[name]
    half = 0.03 + 0.12 * abs(loss) + 0.2 / items
    verdict = "retained" if loss + half <= TOLERANCE else "inconclusive"
    sign = _sign(name)
    return CapabilityForecast(
        capability=called,
        metric="nll_nats" if chance is None else "margin_nats",
        unit="nats",
        base_value=base,
        predicted_change=sign * loss,
        low=sign * loss - half,
        high=sign * loss + half,
        confidence_level=0.9,
        tolerance=TOLERANCE,
        required=required,
        at_risk=loss > TOLERANCE,
        verdict="lost" if loss - half > TOLERANCE else verdict,
        probability_lost=_chance(loss, half),
    )


def _chance(loss: float, half: float) -> float:
    """A normal forecast whose 90 % interval has this half width."""
    return NormalDist(loss, half / 1.645).cdf(math.inf) - NormalDist(loss, half / 1.645).cdf(
        TOLERANCE
    )


def _path(name: str, called: str) -> StabilityMargin:
    base, loss, *_ = CAPABILITIES[name]
    critical = PLANNED_STEPS * (TOLERANCE / loss) ** 0.8 if loss > 0 else None
    reached = critical is not None and critical < 72
    steps = (0, 6, 12, 24, 36, 48, 60, 72)
    return StabilityMargin(
        capability=called,
        kind="path",
        direction="training",
        tolerance=TOLERANCE,
        unit="nats",
        base_value=base,
        low=critical * 0.82 if reached else 72.0,
        high=critical * 1.27 if reached else None,
        confidence_level=0.9,
        critical_steps=critical if reached else None,
        critical_learning_rate=2e-4 * critical / PLANNED_STEPS if reached else None,
        critical_learning_rate_low=2e-4 * critical * 0.82 / PLANNED_STEPS if reached else None,
        critical_learning_rate_high=2e-4 * critical * 1.27 / PLANNED_STEPS if reached else None,
        used_fraction=PLANNED_STEPS / critical if reached else None,
        reason=None if reached else UNREACHED,
        curve=tuple(
            CurvePoint(scale=step, value=_sign(name) * loss * (step / PLANNED_STEPS) ** 1.25)
            for step in steps
        ),
    )


def _envelope(margins: tuple[StabilityMargin, ...]) -> SafeEnvelope:
    """Contours of equal learning rate times steps, from the path margins."""
    contours = []
    for margin, name in zip(margins, CAPABILITIES, strict=False):
        rate = margin.critical_learning_rate
        points = tuple(
            EnvelopePoint(
                steps=PLANNED_STEPS * multiple,
                learning_rate=None if rate is None else rate / multiple,
                low=1e-3 if rate is None else rate * 0.82 / multiple,
                high=None if rate is None else rate * 1.27 / multiple,
            )
            for multiple in (0.25, 0.5, 1.0, 2.0)
        )
        contours.append(
            EnvelopeContour(
                capability=margin.capability,
                required=CAPABILITIES[name][4],
                points=points,
                reason=UNREACHED if rate is None else None,
            )
        )
    contours.sort(key=lambda contour: contour.tightness)
    return SafeEnvelope(
        planned_learning_rate=2e-4, planned_steps=PLANNED_STEPS, contours=tuple(contours)
    )


def _radius(name: str, called: str, direction: str) -> StabilityMargin:
    base, loss, *_ = CAPABILITIES[name]
    pace = {"noise": 20.0, "update": 45.0, "worst_case": 900.0}[direction] * (0.4 + abs(loss))
    norms = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    losses = [min(6.0, pace * norm**1.5) for norm in norms]
    critical = (TOLERANCE / pace) ** (1 / 1.5)
    bounded = direction != "noise" or name != "commonsense_pairs"
    return StabilityMargin(
        capability=called,
        kind="radius",
        direction=direction,
        tolerance=TOLERANCE,
        unit="nats",
        base_value=base,
        low=critical * 0.9 if bounded else 0.3,
        high=critical * 1.15 if bounded else None,
        confidence_level=0.9,
        critical_relative_norm=critical if bounded else None,
        reason=None if bounded else "the tolerance is not reached at the largest norm, 0.3",
        curve=tuple(
            CurvePoint(scale=norm, value=_sign(name) * value)
            for norm, value in zip(norms, losses, strict=True)
        ),
    )


def _fragility(called: Mapping[str, str]) -> tuple[ModuleFragility, ...]:
    modules = [("model.embed_tokens", None, "embedding")]
    modules += [(f"model.layers.{index}", index, "layer") for index in range(LAYERS)]
    draw = random.Random(0)
    rows = []
    for place, (name, target) in enumerate(called.items()):
        peak = (2, 4, 27, 8, 25, 3, 2, 2, 5, 1)[place]
        found = []
        for module, layer, role in modules:
            distance = (layer if layer is not None else -1) - peak
            value = (2.0 + CAPABILITIES[name][0]) * math.exp(-(distance**2) / 30)
            found.append((value + draw.gauss(0, 0.12), module, layer, role))
        order = sorted(found, reverse=True)
        rows += [
            ModuleFragility(
                module=module,
                layer=layer,
                role=role,
                capability=target,
                sensitivity=value,
                unit="nats",
                low=value - 0.25,
                high=value + 0.25,
                rank=1 + order.index((value, module, layer, role)),
            )
            for value, module, layer, role in found
        ]
    return tuple(rows)


def _belief_space() -> BeliefSpace:
    layers = (None, *range(LAYERS))
    ranks = [60.0 + 3 * depth for depth in range(len(layers))]
    return BeliefSpace(
        num_texts=40,
        num_tokens=256,
        top_k=8,
        threshold=0.1,
        confidence_level=0.9,
        base=tuple(
            LayerGeometry(layer=layer, effective_rank=rank, participation_ratio=12, anisotropy=0.4)
            for layer, rank in zip(layers, ranks, strict=True)
        ),
        curves=(
            _belief_curve("planned training", "path", (6.0, 12.0), ranks, pace=0.02),
            _belief_curve("noise", "radius", (0.01, 0.02, 0.04, 0.08, 0.16), ranks, pace=6.0),
        ),
    )


def _belief_curve(direction, kind, scales, ranks, *, pace) -> BeliefCurve:
    kl = [(pace * scale) ** 2 for scale in scales]
    drift = [0.2 * nats / (1 + nats) for nats in kl]
    knee = DriftShape(shape="knee", scale=0.037, low=0.021, high=None, slope_ratio=3.2, pvalue=0.01)
    few = DriftShape(shape=None, reason="2 scales were measured; a knee needs 4")
    first = "output" if kind == "radius" else None
    return BeliefCurve(
        direction=direction,
        kind=kind,
        scales=scales,
        kl_nats=kl,
        reverse_kl_nats=[1.1 * nats for nats in kl],
        output_drift=[1 - math.exp(-nats) for nats in kl],
        representation_drift=drift,
        layers=tuple(
            LayerDrift(
                layer=None if depth == 0 else depth - 1,
                cka=[1 - loss * depth / 15 for loss in drift],
                effective_rank=[rank * (1 + loss * (depth - 10) / 30) for loss in drift],
                participation_ratio=[12 + loss for loss in drift],
                anisotropy=[0.4 + loss for loss in drift],
                largest_angle=[None if depth == 4 else 2 * loss for loss in drift],
                mean_angle=[None if depth == 4 else loss for loss in drift],
            )
            for depth, rank in enumerate(ranks)
        ),
        output_scale=0.055 if kind == "radius" else None,
        representation_scale=0.131 if kind == "radius" else None,
        first=first,
        output_shape=knee if kind == "radius" else few,
        representation_shape=DriftShape(shape="gradual") if kind == "radius" else few,
        reason=None if first else "the output's drift stays below 0.1 up to 12",
    )


def _provenance(text: str) -> Provenance:
    digest = "sha256:" + "5e1f0c2a" * 8
    return Provenance(
        driftline_version="0.1.0",
        python_version="3.12.8",
        packages={"torch": "2.9.0", "transformers": "5.10.1", "trl": "1.10.0", "peft": "0.19.0"},
        command=f"driftline assess smollm2-135m --data data.jsonl --config config.yaml{text}",
        model=ModelProvenance(
            source=f"smollm2-135m{text}",
            revision="main",
            digest=digest,
            architecture="LlamaForCausalLM",
            num_parameters=134_515_008,
            dtype="bfloat16",
        ),
        data=SourceProvenance(name=f"data.jsonl{text}", digest=digest, num_records=320),
        config=SourceProvenance(name=f"config.yaml{text}", digest=digest),
        config_values={
            "learning_rate": 2e-4,
            "max_steps": PLANNED_STEPS,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "max_length": 128,
            "lr_scheduler_type": f"cosine{text}",
            "warmup_steps": 6,
            "weight_decay": 0.0,
            "seed": 0,
        },
        suites=(SourceProvenance(name=f"core{text}", digest=digest, num_records=1050),),
        numerics=Numerics(
            compute_dtype="float32",
            device="cpu",
            num_threads=2,
            torch_version="2.9.0",
            batch_tokens=2048,
            prefix_reuse=True,
        ),
        seed=0,
        created="2026-02-03T10:21:07Z",
    )
