"""Scores of the shipped suites at the base: accuracy, tokens, seconds and doubtful items.

    python -m evidence.suites.run --model smollm2-135m
    python -m evidence.suites.run --model build/models/stories15m --suite core
    python -m evidence.suites.run --noise 0.1        # also how alike items of a set change

Keeps `base.json`, one entry a model and suite; a run replaces its own entry. One thread;
`seconds` is the time on the clock and `cpu_seconds` that of the process.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from driftline.capabilities import Capability, Passage, likelihood_requests, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    LanguageModel,
    NoiseDirection,
    Point,
    Term,
    TokenSequence,
    encode_completions,
    encode_passage,
    num_tree_tokens,
    open_model,
)

RESULT = Path(__file__).parent / "base.json"
_DOUBTFUL_NATS = -2.0
"""A margin below this one marks an item that is to be read again."""


def clustered_error(values: Sequence[float], groups: Sequence[str]) -> float:
    """Compute the standard error of a mean whose values come in clusters.

    Args:
        values: One value an item.
        groups: The cluster of each item.

    Returns:
        The standard error, with the factor G / (G - 1) for G clusters.
    """
    mean = fmean(values)
    sums: dict[str, float] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + value - mean
    size = len(sums)
    spread = sum(total**2 for total in sums.values()) * size / (size - 1)
    return math.sqrt(spread) / len(values)


def sequences(model: LanguageModel, capability: Capability) -> list[TokenSequence]:
    """Encode everything that a capability's score needs.

    Args:
        model: The model whose tokenizer is used.
        capability: The capability.

    Returns:
        One sequence a completion or window.
    """
    encoded: list[TokenSequence] = []
    for item in capability.items:
        if isinstance(item, Passage):
            encoded += encode_passage(model, item.text)
            continue
        for context, completions in likelihood_requests(item):
            encoded += encode_completions(model, context, completions)
    return encoded


def length_scorers(model: LanguageModel, capability: Capability) -> dict[str, float]:
    """Score the options by their length alone; ties share the point.

    Args:
        model: The model whose tokenizer counts tokens.
        capability: A capability whose items have options.

    Returns:
        The share of items that each rule gets right; empty for texts.
    """
    if capability.chance is None:
        return {}
    counts: dict[str, Callable[[str], int]] = {
        "characters": len,
        "tokens": lambda text: len(model.tokenizer(text, add_special_tokens=False)["input_ids"]),
    }
    rules: dict[str, list[float]] = {}
    for item in capability.items:
        options = [text for _, texts in likelihood_requests(item) for text in texts]
        right = getattr(item, "answer", 0)
        for unit, count in counts.items():
            lengths = [count(option) for option in options]
            for rule, extreme in (("longest", max(lengths)), ("shortest", min(lengths))):
                tied = [place for place, length in enumerate(lengths) if length == extreme]
                hit = (right in tied) / len(tied)
                rules.setdefault(f"{rule} in {unit}", []).append(hit)
    return {rule: round(fmean(hits), 4) for rule, hits in rules.items()}


def sets_of(capability: Capability) -> list[str]:
    """Name the set of each item: its group, else its id without the last number."""
    return [item.group or item.id.rpartition("-")[0] for item in capability.items]


def change_under_noise(
    engine: LocalEngine, capability: Capability, scale: float
) -> dict[str, float]:
    """Measure whether items of a set change alike when all weights are moved at random.

    Args:
        engine: An engine that has scored the base.
        capability: A capability whose items have options.
        scale: The norm of the noise, relative to that of the weights.

    Returns:
        The mean change of the probability, and its standard error with the items and with the
        sets as units. Where the second one is greater, items of a set change alike.
    """
    moved = Point("noise", (Term(NoiseDirection(1), scale),))
    table = engine.evaluate([BASE, moved], [capability])
    pairs = zip(
        table.item_metrics(moved, capability), table.item_metrics(BASE, capability), strict=True
    )
    changes = [after["probability"] - before["probability"] for after, before in pairs]
    return {
        "scale": scale,
        "change": round(fmean(changes), 4),
        "error_of_items": round(clustered_error(changes, [i.id for i in capability.items]), 4),
        "error_of_sets": round(clustered_error(changes, sets_of(capability)), 4),
    }


def measure(
    model: LanguageModel, capability: Capability, store: ResultStore, noise: float
) -> dict[str, Any]:
    """Score one capability at the base.

    Args:
        model: The model.
        capability: The capability.
        store: A store without its scores, so that the time is that of scoring.
        noise: The scale of `change_under_noise`; 0 leaves it out.

    Returns:
        One entry of the result.
    """
    encoded = sequences(model, capability)
    started, worked = time.perf_counter(), time.process_time()
    engine = LocalEngine(model, store)
    table = engine.evaluate([BASE], [capability])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    metrics = table.item_metrics(BASE, capability)
    groups = capability.groups()
    entry: dict[str, Any] = {
        "items": len(capability.items),
        "groups": len(set(groups)),
        "sets": len(set(sets_of(capability))),
        "options": round(1 / capability.chance) if capability.chance else None,
        "tokens": num_tree_tokens([each.tokens for each in encoded]),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "digest": capability.digest,
    }
    for name in sorted(set(metrics[0]) & {"accuracy", "margin_nats", "nll_nats", "probability"}):
        values = [float(item[name]) for item in metrics]
        entry[name] = round(fmean(values), 4)
        entry[f"{name}_error"] = round(clustered_error(values, groups), 4)
    entry["length_alone"] = length_scorers(model, capability)
    if capability.chance is not None:
        if noise:
            entry["noise"] = change_under_noise(engine, capability, noise)
        margins = [item["margin_nats"] for item in metrics]
        entry["chance"] = capability.chance
        entry["full_margins"] = round(fmean(margin >= 5.0 for margin in margins), 4)
        entry["doubtful"] = [
            item.id
            for item, margin in zip(capability.items, margins, strict=True)
            if margin < _DOUBTFUL_NATS
        ]
    return entry


def main() -> None:
    """Score one suite of one model and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--only", nargs="*", help="capabilities; prints instead of keeping")
    parser.add_argument("--noise", type=float, default=0.0, help="relative norm; 0: none")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, suite = open_model(options.model), read_suite(options.suite)
    chosen = [c for c in suite.capabilities if not options.only or c.name in options.only]
    entries: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(Path(folder) / "results.sqlite")
        for capability in chosen:
            entries[capability.name] = measure(model, capability, store, options.noise)
            shown = {k: v for k, v in entries[capability.name].items() if k != "doubtful"}
            print(capability.name, json.dumps(shown), flush=True)
        store.close()
    if options.only:
        return
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    kept[f"{Path(options.model).name} {options.suite}"] = {
        "model": model.provenance().model_dump(mode="json") | {"source": Path(options.model).name},
        "suite": suite.name,
        "threads": 1,
        "tokens": sum(entry["tokens"] for entry in entries.values()),
        "seconds": round(sum(entry["seconds"] for entry in entries.values()), 1),
        "cpu_seconds": round(sum(entry["cpu_seconds"] for entry in entries.values()), 1),
        "capabilities": entries,
    }
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
    RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
