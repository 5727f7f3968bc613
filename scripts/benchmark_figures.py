"""Statements of pages about time, memory and the monitor, from results of benchmarks."""

from collections.abc import Callable, Iterator
from typing import Any

from scripts.statements import DASH, Statement, fixed, percent

EVIDENCE = "evidence/README.md"
COSTS = "docs/costs.md"
MONITOR = "docs/monitor.md"
COMPARE = "docs/compare.md"
FORECAST = "docs/forecast.md"
COMPARE_DESIGN = "design/compare.md"


def statements(read: Callable[[str], Any]) -> Iterator[Statement]:
    """Make every statement.

    Args:
        read: Reads a committed result by its path.

    Yields:
        Each.
    """
    for make in (
        _false_alarms, _kills, _memory, _speed, _overhead, _monitor_cost, _ahead, _streaming,
        _early_dropping, _harmless, _busy_machine,
    ):  # fmt: skip
        yield from make(read)


def _false_alarms(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/monitor_false_alarms.json"
    found = read(source)
    total, edge = found["total"], found["kinds"]["edge/normal"]
    accused = {1: "One"}.get(total["monitor"], str(total["monitor"]))
    yield Statement(
        EVIDENCE,
        f"{total['runs']:,} runs of ten required capabilities with {found['items']} items each, looked at "
        f"{found['looks']} times, alpha {found['alpha']:g}. {accused} was accused. Repeated t tests at the same level "
        f"accused {total['naive']}, and {edge['naive']} of the {edge['runs']} runs",
        source,
    )


def _kills(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/monitor_kill_and_resume.json"
    found = read(source)
    runs = {11: "Eleven"}.get(found["runs"], str(found["runs"]))
    yield Statement(EVIDENCE, f"{runs} runs were ended {found['kills']} times with SIGKILL", source)


def _memory(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/peak_memory.json"
    rows = read(source)["rows"]
    kinds = ("float32", "bfloat16", "8bit", "4bit")
    peak = {(row["case"], row["base"]): row["peak_mib"] for row in rows}
    weights = {row["base"]: row["weights_mib"] for row in rows}
    first, *others = (f"{weights[kind]:.0f} MiB in {kind}" for kind in kinds)
    yield Statement(COSTS, f"the weights alone are {', '.join([first, *others])}", source)
    named = {
        "open": "opening", "pass": "one pass of 512 tokens", "point": "a point that moves everything",
        "map_point": "a point that moves one layer", "probe_full": "probe, full fine-tuning",
        "probe_lora": "probe, LoRA",
    }  # fmt: skip
    for case, words in named.items():
        cells = [DASH if (case, kind) not in peak else f"{peak[case, kind]:,.0f}" for kind in kinds]
        yield Statement(COSTS, f"| {words} | {' | '.join(cells)} |", source)


def _speed(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/scoring.json"
    found = read(source)
    named = {
        "multiple_choice_float32": "four-choice questions with 113 tokens of context against "
        "lm-evaluation-harness, float32",
        "multiple_choice_bfloat16": "the same, bfloat16 (ours has a float32 head, theirs not)",
        "perplexity_bfloat16": "perplexity of texts of 55 tokens, bfloat16 (ours has a float32 head)",
    }
    for key, words in named.items():
        each = found[key]
        yield Statement(
            COSTS,
            f"| {words} | {fixed(each['ratio_median'], 2)} | {fixed(each['ratio_min'], 2)} to "
            f"{fixed(each['ratio_max'], 2)} |",
            source,
        )
    moved = {
        "100_mixed": "100 points, three in four of one layer, over 100 evaluations of the base",
        "one_layer": "30 points of one layer alone",
        "lines": "10 points on lines of whole-model noise, 12 items a capability",
    }
    for key, words in moved.items():
        ratio = found["moving_bfloat16"][key]["ratio"]
        yield Statement(COSTS, f"| {words} | {ratio:.2f} | one run |", source)


def _overhead(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/monitor_overhead.json"
    for row in read(source)["runs"]:
        early = ", ".join(map(str, row["early_checks"])) or "none"
        yield Statement(
            MONITOR,
            f"| {row['steps']:,} | {row['step_tokens']:,} | {row['items_of_a_capability']} | {early} | "
            f"{row['checks']} | {row['looks_ahead']} | {percent(row['share'])} | "
            f"{100 * row['share_of_a_check_that_is_asked_for']:.2f} % |",
            source,
        )


def _monitor_cost(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/look_ahead_cost.json"
    found = read(source)
    seconds = found["processor_seconds"]
    yield Statement(
        MONITOR,
        f"{seconds['look']:.2f} processor seconds beside {seconds['backward']:.2f} of a step of "
        f"{found['step_tokens']} tokens",
        source,
    )
    source = "benchmarks/results/monitor_cost.json"
    found = read(source)
    seconds = found["seconds"]["processor"]
    for text in (
        f"| a step of training | {seconds['step_off']:.1f} |",
        f"| a check of `core-0.1` ({found['check_tokens']:,} tokens) | {seconds['check']:.1f} |",
        f"| a glance | {seconds['glance']:.2f} |",
        f"| a step that neither follows | {seconds['plain']:.4f} |",
        f"Peak memory rose by {percent(found['peak_ratio'] - 1)}",
    ):
        yield Statement(MONITOR, text, source)


def _ahead(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "evidence/monitor/ahead/result.json"
    models = {each["model"]: each for each in read(source)}
    small, large = models["minimind2-small"], models["smollm2-135m"]
    pair = (small, large)
    largest = [max(e["largest_single_step"] for e in found["damaged"].values()) for found in pair]
    for words, cells in (
        ("damaged runs with an alarm in time", [_in_time(found) for found in pair]),
        ("a check after the step would be in time", [
            f"{found['without_looking_ahead']} of {found['lost_twice_the_tolerance']}" for found in pair
        ]),
        ("healthy runs that are accused", [
            f"{len(found['healthy_accused'])} of {found['healthy_runs']}" if found["healthy_runs"] else DASH
            for found in pair
        ]),
        ("largest loss of a single step, in tolerances", [f"{each:.1f}" for each in largest]),
    ):  # fmt: skip
        yield Statement(MONITOR, f"| {words} | {' | '.join(cells)} |", source)
    yield from (Statement(MONITOR, text, source) for text in _ends(large))
    yield from (Statement(EVIDENCE, text, source) for text in _each_damaged(large))


def _in_time(found: dict[str, Any]) -> str:
    lost, early = found["lost_twice_the_tolerance"], found["alarm_before_twice"]
    before = found["alarm_before_the_step"]
    told = "each" if before == early else f"{before}"
    return f"{early} of {lost}, {told} before the step was taken"


def _ends(found: dict[str, Any]) -> Iterator[str]:
    """Count a model's runs by how they ended, and those with an alarm."""
    damaged, beyond = (
        found["damaged"].values(),
        found["meant_healthy_and_beyond_at_the_end"].values(),
    )
    ended = [each for each in damaged if each["twice_tolerance"] is None]
    for words, runs in (
        ("lost twice a tolerance", [e for e in damaged if e["twice_tolerance"] is not None]),
        ("ended beyond one", [e for e in ended if e["worst_in_tolerances_at_end"] > 1]),
        ("ended within every tolerance", [e for e in ended if e["worst_in_tolerances_at_end"] <= 1]),
    ):  # fmt: skip
        alarms = sum(each["first_alarm"] is not None for each in runs)
        yield f"| meant to be damaged, {words} | {len(runs)} | {alarms} |"
    alarms = sum(each["first_alarm"] is not None for each in beyond)
    yield f"| meant to be harmless, ended beyond one | {len(beyond)} | {alarms} |"
    accused = len(found["healthy_accused"])
    yield f"| meant to be harmless, ended within every tolerance | {found['healthy_runs']} | {accused} |"


def _each_damaged(found: dict[str, Any]) -> Iterator[str]:
    """Write a row for each damaged run of a model."""
    for name, each in found["damaged"].items():
        when, then = "none", DASH
        if each["first_alarm"] is not None:
            when = f"{'before' if each['before_step'] else 'after'} step {each['first_alarm']}"
            then = fixed(each["worst_in_tolerances_then"], 2)
        words = ", ".join(detector.partition("_")[0] for detector in each["named"]) or DASH
        yield (
            f"| {found['model']} | {name} | {when} | {then} | {each['twice_tolerance'] or 'never'} | "
            f"{fixed(each['worst_in_tolerances_at_end'], 2)} | {words} |"
        )


def _streaming(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/streaming.json"
    found = read(source)
    cases = found["cases"]
    for text in (
        f"Measured on {found['gigabytes']:.1f} GB",
        f"| `--spectra none` | {cases['diff']['cpu_seconds']:.1f} | {cases['diff']['peak_mb']} MB",
        f"| of these, the digests | {cases['digests']['cpu_seconds']:.1f} | {cases['digests']['peak_mb']} MB |",
        f"on the same files | {cases['sha256sum']['cpu_seconds']:.1f} | {cases['sha256sum']['peak_mb']} MB |",
    ):
        yield Statement("docs/diff.md", text, source)


def _early_dropping(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/early_dropping.json"
    found = read(source)
    short, realistic = (
        found[name]["0.1"] for name in ("short runs of smollm2-135m", "realistic runs")
    )
    for words, each in (
        ("SmolLM2-135M, short runs, 8 configs of 6 tasks", short),
        ("stories15M, MiniMind2-Small and SmolLM2-135M, runs of 100 steps", realistic),
    ):
        rule = each["rules"]["one capability with P >= 0.9"]
        yield Statement(
            COMPARE,
            f"| {words} | {rule['unsafe_dropped']} of {each['unsafe']} | {rule['harmless_dropped']} of "
            f"{each['harmless']} (a rate of at most {rule['harmless_dropped_at_most']:.0%}) |",
            source,
        )
    for name in short["rules"]:
        cells = (
            f"{each['rules'][name]['unsafe_dropped']}, {each['rules'][name]['harmless_dropped']}"
            for each in (short, realistic)
        )
        yield Statement(COMPARE_DESIGN, f"| {name} | {' | '.join(cells)} |", source)
    later = (
        found[name]["0.2"]["rules"]["one capability with P >= 0.9"]["unsafe_dropped"]
        for name in found
    )
    yield Statement(
        COMPARE_DESIGN,
        f"At a fifth of the run the rule drops {' and '.join(map(str, later))} unsafe runs",
        source,
    )


def _harmless(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/harmless_run.json"
    found = read(source)
    required = {name for name, row in found["forecast"].items() if row["required"]}
    items = min(found["items"][name] for name in required)
    yield Statement(
        FORECAST,
        f"is called {found['verdict']} with P = {found['probability_any_lost']:.2g}, on {items} items of each required",
        source,
    )


def _busy_machine(read: Callable[[str], Any]) -> Iterator[Statement]:
    source = "benchmarks/results/busy_machine.json"
    found = read(source)["forecast"]
    alone, busy = (found["seconds"][name]["forecast"] for name in ("alone", "busy"))
    yield Statement(
        COSTS,
        f"| `forecast` of the demo's run, two quiet cores | {alone:.0f} s |",
        source,
    )
    yield Statement(
        COSTS,
        f"| the same beside one busy process on each core | {busy:.0f} s: {found['ratio']['forecast']:g} times |",
        source,
    )
