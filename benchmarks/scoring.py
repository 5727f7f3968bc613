"""How fast items are scored: against lm-evaluation-harness, the bare model, and standing still.

    python -m benchmarks.scoring [--repeats 5] [--only NAME ...]

Every figure is a ratio of two timings that alternate in one process on SmolLM2-135M. Keeps
`results/scoring.json`. Needs lm-eval.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from driftline.capabilities import Capability, Passage, likelihood_requests, read_suite
from driftline.engine import LocalEngine, ResultStore
from driftline.models import (
    BASE,
    HeldDirection,
    LanguageModel,
    NoiseDirection,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    TokenSequence,
    encode_completions,
    num_tree_tokens,
    open_model,
)

RESULTS = Path(__file__).parent / "results" / "scoring.json"
NUM_QUESTIONS = 16
_LOOKS = 12
"""Points on one line, as the search for a margin has them."""
FLOAT32 = ScoringOptions(bfloat16=False)
BFLOAT16 = ScoringOptions(bfloat16=True)

Question = tuple[str, list[str]]


def long_texts() -> list[str]:
    """All passages of the shipped suite, put together to texts of about a thousand tokens."""
    suite = read_suite("core-0.1")
    bare = [item.text for c in suite.capabilities for item in c.items if isinstance(item, Passage)]
    return [" ".join(bare[start : start + 36]) for start in range(0, len(bare) - 35, 36)]


def texts() -> list[str]:
    """The passages of the shipped suite, two at a time: about 55 tokens each."""
    (passages,) = (c for c in read_suite("core-0.1").capabilities if c.name == "english_text")
    bare = [item.text for item in passages.items]  # type: ignore[union-attr]
    return [" ".join(pair) for pair in zip(bare[::2], bare[1::2], strict=True)]


def questions() -> list[Question]:
    """A context of about 100 tokens, and four sentences that may follow it."""
    passages = texts()
    made = []
    for number in range(NUM_QUESTIONS):
        context = " ".join(passages[(number + k) % len(passages)] for k in (0, 1))
        endings = [passages[(number + k) % len(passages)] for k in (2, 5, 9, 14)]
        made.append((context, [" " + ending.split(".")[0] + "." for ending in endings]))
    return made


def alternate(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Time two ways of doing a thing, by turns, after one run of each that does not count."""
    first(), second()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for taken, call in zip(seconds, (first, second), strict=True):
            begun = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begun)
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    return {
        "first_seconds": [round(s, 3) for s in seconds[0]],
        "second_seconds": [round(s, 3) for s in seconds[1]],
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
    }


def harness(opened: LanguageModel, options: ScoringOptions, batch_size: int) -> HFLM:
    """lm-eval's own backend on the same weights, with the same dtype for its products."""
    return HFLM(
        pretrained=opened.model,
        tokenizer=opened.tokenizer,
        batch_size=batch_size,
        mixed_precision_dtype="bfloat16" if options.bfloat16 else None,
    )


def instances(kind: str, arguments: Sequence[tuple[str, ...]]) -> list[Instance]:
    """Requests as lm-eval wants them."""
    return [
        Instance(request_type=kind, doc={}, arguments=a, idx=i) for i, a in enumerate(arguments)
    ]


def track_multiple_choice(
    opened: LanguageModel, repeats: int, options: ScoringOptions
) -> dict[str, Any]:
    """Four-choice questions with a shared context: items a second, log-likelihoods, accuracy."""
    asked = questions()
    pairs = [(context, choice) for context, choices in asked for choice in choices]
    sequences = [s for c, choices in asked for s in encode_completions(opened, c, choices)]
    scorer = Scorer(opened, options)

    def theirs(lm: HFLM) -> list[float]:
        found = lm.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
        return [value for value, _greedy in found]

    def ours() -> list[float]:
        return [score.log_likelihood for score in scorer.score(sequences)]

    best = fastest_batch(opened, options, theirs)
    lm = harness(opened, options, best)
    found = alternate(lambda: theirs(lm), ours, repeats)
    a, b = theirs(lm), ours()
    return found | {
        "lm_eval_batch_size": best,
        "num_items": len(asked),
        "mean_context_tokens": round(statistics.mean(s.start for s in sequences), 1),
        "largest_difference_nats": max(abs(x - y) for x, y in zip(a, b, strict=True)),
        "accuracy_lm_eval": accuracy(a),
        "accuracy_driftline": accuracy(b),
    }


def accuracy(values: list[float]) -> float:
    """The share of questions whose first choice, the passage that follows, is the likeliest."""
    fours = [values[i : i + 4] for i in range(0, len(values), 4)]
    return sum(max(four) == four[0] for four in fours) / len(fours)


def fastest_batch(
    opened: LanguageModel, options: ScoringOptions, run: Callable[[HFLM], Any]
) -> int:
    """The batch size with which lm-eval is fastest here."""
    taken = {}
    for size in (1, 4, 16):
        lm = harness(opened, options, size)
        begun = time.perf_counter()
        run(lm)
        taken[size] = time.perf_counter() - begun
    return min(taken, key=lambda size: taken[size])


def track_perplexity(
    opened: LanguageModel, repeats: int, options: ScoringOptions
) -> dict[str, Any]:
    """Passages of about 55 tokens, and texts of about a thousand, every token scored."""
    return {
        name: perplexity(opened, repeats, options, passages)
        for name, passages in (("short", texts()), ("long", long_texts()))
    }


def perplexity(
    opened: LanguageModel, repeats: int, options: ScoringOptions, passages: list[str]
) -> dict[str, Any]:
    """Log-likelihoods of whole texts, as a perplexity needs them."""
    sequences = [s for text in passages for s in encode_completions(opened, "", [text])]
    scorer = Scorer(opened, options)

    def theirs(lm: HFLM) -> list[float]:
        asked = instances("loglikelihood_rolling", [(text,) for text in passages])
        return list(lm.loglikelihood_rolling(asked, disable_tqdm=True))

    def ours() -> list[float]:
        return [score.log_likelihood for score in scorer.score(sequences)]

    best = fastest_batch(opened, options, theirs)
    lm = harness(opened, options, best)
    found = alternate(lambda: theirs(lm), ours, repeats)
    limit = alternate(lambda: theirs(lm), lambda: bare_passes(opened, sequences, options), repeats)
    pairs = zip(theirs(lm), ours(), strict=True)
    return found | {
        "lm_eval_batch_size": best,
        "ratio_of_a_bare_forward": limit["ratio_median"],
        "num_tokens": sum(len(s.tokens) - s.start for s in sequences),
        "largest_difference_nats": max(abs(x - y) for x, y in pairs),
    }


def bare_passes(
    opened: LanguageModel, sequences: Sequence[TokenSequence], options: ScoringOptions
) -> None:
    """All logits of the sequences and nothing else, in batches of like length: the physical limit."""
    ordered = sorted((s.tokens[:-1] for s in sequences), key=len)
    for first in range(0, len(ordered), 16):
        rows = ordered[first : first + 16]
        ids = torch.zeros((len(rows), len(rows[-1])), dtype=torch.long)
        for row, tokens in zip(ids, rows, strict=True):
            row[: len(tokens)] = torch.tensor(tokens)
        with (
            torch.no_grad(),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16),
        ):
            opened.model(input_ids=ids, use_cache=False)


def track_share_of_bare_forward(
    opened: LanguageModel, repeats: int, options: ScoringOptions
) -> dict[str, Any]:
    """Tokens a second in the tree of distinct beginnings, over those of a bare forward pass.

    The bare pass is the whole model, or its body alone, on the batch shape where it is fastest.

    Returns:
        For each of the two, the ratio with what it was made of.
    """
    asked = questions()
    sequences = [s for c, choices in asked for s in encode_completions(opened, c, choices)]
    unique = num_tree_tokens([s.tokens[:-1] for s in sequences])
    scorer = Scorer(opened, options)
    found: dict[str, Any] = {"unique_tokens": unique}
    for name, model in (("whole model", opened.model), ("body alone", opened.model.base_model)):
        shape, bare = fastest_shape(model, options)
        timed = alternate(bare, lambda: scorer.score(sequences), repeats)
        # first / second is bare time / our time for unlike numbers of tokens.
        per_token = unique / (shape[0] * shape[1])
        for key in ("ratio_median", "ratio_min", "ratio_max"):
            timed[key] = round(timed[key] * per_token, 3)
        found[name] = timed | {"bare_shape": shape}
    return found


def fastest_shape(
    model: torch.nn.Module, options: ScoringOptions
) -> tuple[tuple[int, int], Callable[[], None]]:
    """The batch shape of most tokens a second, and a pass of that shape."""
    rates = {}
    passes = {}
    for shape in ((8, 64), (4, 128), (16, 64), (8, 128), (16, 128)):
        ids = torch.randint(0, 40_000, shape, generator=torch.Generator().manual_seed(0))

        def bare(ids: torch.Tensor = ids) -> None:
            with (
                torch.no_grad(),
                torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bfloat16),
            ):
                model(input_ids=ids, use_cache=False)

        bare()
        begun = time.perf_counter()
        bare()
        bare()
        rates[shape] = ids.numel() / (time.perf_counter() - begun)
        passes[shape] = bare
    best = max(rates, key=lambda shape: rates[shape])
    return best, passes[best]


def track_moving(opened: LanguageModel, repeats: int, options: ScoringOptions) -> dict[str, Any]:
    """Points against as many evaluations of the base, on a sample of the shipped suite.

    Returns:
        For whole-model noise on 12 items a capability, one layer's on 6, and 100 of both mixed as an
        assessment has them.
    """
    layers = sorted({w.layer for w in opened.weights if w.layer is not None})

    held = [HeldDirection(NoiseDirection(seed)) for seed in range(1 + 100 // _LOOKS)]

    def line(number: int) -> Point:
        return Point(f"line {number}", (Term(held[number // _LOOKS], 0.02 * (number + 1)),))

    def alone(number: int) -> Point:
        layer = layers[number % len(layers)]
        names = [weight.name for weight in opened.weights if weight.layer == layer]
        scales = dict.fromkeys(names, 0.001 * (number + 1))
        return Point(f"layer {layer}", (Term(NoiseDirection(0), scales),))

    mixed = [alone(n) if n % 4 else line(n) for n in range(100)]
    return {
        "lines": moving(opened, options, [line(n) for n in range(2 * repeats)], num_items=12),
        "one_layer": moving(opened, options, [alone(n) for n in range(30)], num_items=6),
        "100_mixed": moving(opened, options, mixed, num_items=6),
    }


def moving(
    opened: LanguageModel, options: ScoringOptions, points: Sequence[Point], *, num_items: int
) -> dict[str, Any]:
    """Seconds for the points, and for as many evaluations of the unchanged model."""
    sampled = [c.sample(num_items, seed=0) for c in read_suite("core-0.1").capabilities]
    sequences = sequences_of(opened, sampled)
    scorer = Scorer(opened, options)
    scorer.score(sequences)
    with tempfile.TemporaryDirectory() as folder, ResultStore(Path(folder) / "r.sqlite") as store:
        engine = LocalEngine(opened, store, options)
        engine.evaluate((BASE,), sampled)
        begun = time.perf_counter()
        engine.evaluate(points, sampled)
        moved = time.perf_counter() - begun
    begun = time.perf_counter()
    for _ in points:
        scorer.score(sequences)
    still = time.perf_counter() - begun
    return {
        "num_points": len(points),
        "tokens_a_point": scorer.num_tokens(sequences),
        "moved_seconds": round(moved, 2),
        "still_seconds": round(still, 2),
        "ratio": round(moved / still, 3),
    }


def sequences_of(opened: LanguageModel, capabilities: Sequence[Capability]) -> list[TokenSequence]:
    """All sequences of some capabilities."""
    requests = [r for c in capabilities for item in c.items for r in likelihood_requests(item)]
    return [s for context, texts in requests for s in encode_completions(opened, context, texts)]


TRACKS: dict[str, tuple[Callable[..., dict[str, Any]], ScoringOptions]] = {
    "multiple_choice_float32": (track_multiple_choice, FLOAT32),
    "multiple_choice_bfloat16": (track_multiple_choice, BFLOAT16),
    "perplexity_float32": (track_perplexity, FLOAT32),
    "perplexity_bfloat16": (track_perplexity, BFLOAT16),
    "share_of_bare_forward_float32": (track_share_of_bare_forward, FLOAT32),
    "share_of_bare_forward_bfloat16": (track_share_of_bare_forward, BFLOAT16),
    "moving_bfloat16": (track_moving, BFLOAT16),
}


def main() -> None:
    """Run the tracks that are asked for and keep what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=TRACKS, default=list(TRACKS))
    arguments = parser.parse_args()
    opened = open_model("smollm2-135m")
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept["machine"] = {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    for name in arguments.only:
        track, options = TRACKS[name]
        kept[name] = track(opened, arguments.repeats, options)
        print(name, json.dumps(kept[name], indent=1), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
