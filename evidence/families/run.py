"""What each command says to each family: runs them all, and writes the table of the docs.

python -m evidence.families.run               makes what is missing, then writes docs/families.md
python -m evidence.families.run --again       makes everything anew
python -m evidence.families.run --only llama  makes one family anew (repeatable)
python -m evidence.families.run --check       says whether the table is that of the results
"""

import argparse
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

RESULT = Path(__file__).with_name("result.json")
TABLE = Path(__file__).parents[2] / "docs" / "families.md"
COMMANDS = (
    "score", "map", "map LoRA", "certify whole", "certify adapter", "certify merged",
    "diff whole", "diff adapter",
)  # fmt: skip
"""The columns, in the order in which they are run."""
_WORDS = [
    "red",
    "blue",
    "green",
    "tree",
    "house",
    "river",
    "stone",
    "cloud",
    "bird",
    "horse",
    "road",
    "lamp",
    "door",
    "glass",
    "paper",
    "north",
    "south",
    "winter",
    "summer",
    "morning",
    "night",
    "bread",
    "water",
    "salt",
]
_TRAINING = {
    "learning_rate": 1e-3,
    "max_steps": 10,
    "per_device_train_batch_size": 2,
    "max_length": 64,
}
_LORA = {"use_peft": True, "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0}
_NUM_ITEMS = 8
"""Of each capability: the question is whether an answer comes, not which."""
_ANSWERS = (0, 1, 3)
"""Exit codes of a command that did its work: pass, fail, inconclusive."""

Outcome = dict[str, str]
"""Command to `ok`, or to the reason why it gave no answer."""


def main() -> None:
    """Make the results that are missing, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {"families": {}}
    if asked.check:
        sys.exit(
            0 if TABLE.read_text() == table(kept) else f"{TABLE}: is not the table of {RESULT}"
        )

    import torch
    import transformers

    from driftline.provenance import driftline_version, package_versions

    from . import models

    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # Results of another set of commands are no results.
    whole = {n: said for n, said in kept["families"].items() if set(said) == set(COMMANDS)}
    done = {} if asked.again else whole
    for name in models.FAMILIES:
        if name in done and name not in asked.only:
            continue
        done[name] = outcome_of(name)
        print(name, {k: v for k, v in done[name].items() if v != "ok"} or "ok", flush=True)
        result: dict[str, object] = {
            "driftline": driftline_version(),
            "packages": package_versions(),
            "families": {each: done[each] for each in models.FAMILIES if each in done},
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        TABLE.write_text(table(result))


def outcome_of(name: str, *, commands: Sequence[str] = COMMANDS) -> Outcome:
    """Run commands on a tiny model of one family.

    Args:
        name: The family's name in the table.
        commands: Which.

    Returns:
        What each command said.
    """
    with tempfile.TemporaryDirectory(prefix="families-") as kept:
        folder = Path(kept)
        failed = _attempt(lambda: write_inputs(folder, name), folder)
        if failed is not None:
            return dict.fromkeys(commands, f"the model cannot be made: {failed}")
        outcome = {}
        for command in commands:
            missing = _missing_input(folder, command)
            outcome[command] = missing or _said(folder, command)
        return outcome


def write_inputs(folder: Path, name: str) -> None:
    """Write the base, a tuned model, an adapter, the merged model, data, configs and a suite.

    Args:
        folder: Where to.
        name: The family's name in the table.
    """
    import torch

    from . import models

    base = models.model(name)
    models.write(folder / "base", base)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in base.parameters():
            if weight.ndim >= 2:
                noise = torch.randn(weight.shape, generator=generator)
                weight.add_(noise * weight.std() * 0.02)
    models.write(folder / "whole", base)
    (folder / "no-adapter.txt").write_text(str(_attempt(lambda: _adapt(folder, name), folder)))
    rows = [
        {"prompt": f"{_WORDS[i % 24]} {_WORDS[i * 3 % 24]}", "completion": f" {_WORDS[i * 5 % 24]}"}
        for i in range(40)
    ]
    _write_lines(folder / "train.jsonl", rows)
    # YAML holds JSON.
    (folder / "full.yaml").write_text(json.dumps(_TRAINING))
    (folder / "lora.yaml").write_text(
        json.dumps({**_TRAINING, **_LORA, "lora_target_modules": _targets(name)})
    )
    _write_suite(folder)


def _adapt(folder: Path, name: str) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from . import models

    # No task, so that PEFT asks nothing of the model's generation.
    config = LoraConfig(r=4, lora_alpha=8, target_modules=_targets(name), init_lora_weights=False)
    torch.manual_seed(2)
    adapted = get_peft_model(models.model(name), config)
    with torch.no_grad():
        for key, weight in adapted.named_parameters():
            if "lora_B" in key:
                weight.mul_(0.05)
    adapted.peft_config["default"].base_model_name_or_path = str(folder / "base")
    adapted.save_pretrained(folder / "adapter")
    models.write(folder / "merged", adapted.merge_and_unload())


def _targets(name: str) -> str | list[str]:
    from . import models

    own = models.LORA_TARGETS.get(name)
    return "all-linear" if own is None else list(own)


def _write_suite(folder: Path) -> None:
    choices, texts = [], []
    for i in range(_NUM_ITEMS):
        words = [_WORDS[(i * 7 + k * 5) % 24] for k in range(5)]
        options = [f" {word}" for word in words[2:]]
        prompt = f"The {words[0]} of the {words[1]} is"
        choices.append({"id": f"c{i}", "prompt": prompt, "choices": options, "answer": i % 3})
        completion = f" {words[3]}"
        texts.append({"id": f"t{i}", "prompt": f"{words[0]} {words[1]}", "completion": completion})
    _write_lines(folder / "choices.jsonl", choices)
    _write_lines(folder / "texts.jsonl", texts)
    kinds = (("choices", "multiple_choice", "margin_nats"), ("texts", "cloze", "nll_nats"))
    capabilities = [
        {
            "name": name, "description": "words", "scorer": scorer, "metric": metric,
            "tolerance": 0.25, "required": True, "items": f"{name}.jsonl",
        }
        for name, scorer, metric in kinds
    ]  # fmt: skip
    suite = {"schema": "driftline/suite/1", "capabilities": capabilities}
    (folder / "suite.yaml").write_text(json.dumps(suite))


def _write_lines(path: Path, rows: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _missing_input(folder: Path, command: str) -> str | None:
    """Why a command cannot be run: PEFT makes no adapter of this family, or cannot merge it."""
    kind = command.split()[-1]
    if kind not in ("adapter", "merged") or (folder / kind / "config.json").exists():
        return None
    if kind == "adapter" and (folder / kind / "adapter_config.json").exists():
        return None
    return f"PEFT: {(folder / 'no-adapter.txt').read_text()}"


def _said(folder: Path, command: str) -> str:
    word, *kind = command.split()
    base, suite = str(folder / "base"), ["--suite", str(folder / "suite.yaml")]
    out = ["--out", str(folder / f"out-{command.replace(' ', '-')}")]
    data = ["--data", str(folder / "train.jsonl")]
    config = "lora.yaml" if kind == ["LoRA"] else "full.yaml"
    arguments = {
        "score": [base, *suite, *out],
        "map": [base, *data, "--config", str(folder / config), *suite, *out],
        "certify": [base, str(folder / kind[0]) if kind else "", *suite, *out],
        "diff": [base, str(folder / kind[0]) if kind else ""],
    }
    code, words = run_command([word, *arguments[word]])
    if code in _ANSWERS:
        return "ok"
    reasons = [line for line in words.splitlines() if line.startswith("driftline: ")]
    reason = reasons[-1].removeprefix("driftline: ") if reasons else words[-300:]
    if "Traceback" in words:
        reason = f"FAULT: {words.strip().splitlines()[-2]}"
    return _without_paths(f"exit {code}: {reason}", folder)


def run_command(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command line in this process.

    Args:
        arguments: Without the program's name.

    Returns:
        The exit code, and what was said on the error stream.
    """
    from driftline.cli import main as driftline

    said, before = io.StringIO(), sys.argv
    sys.argv = ["driftline", *arguments]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            driftline()
    except SystemExit as end:
        return int(end.code or 0), said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


def _attempt(act: Callable[[], None], folder: Path) -> str | None:
    """Why something failed, in one line; None where it did not."""
    try:
        act()
    except Exception as error:
        last = traceback.format_exception_only(error)[-1]
        return _without_paths(" ".join(last.split()), folder)
    return None


def _without_paths(text: str, folder: Path) -> str:
    return re.sub(re.escape(str(folder)) + r"/?", "", text)[:300]


def table(result: dict[str, object]) -> str:
    """The page of the docs.

    Args:
        result: What `result.json` holds.

    Returns:
        Markdown.
    """
    families = result["families"]
    assert isinstance(families, dict)
    reasons: dict[str, int] = {}
    rows = []
    for name, outcome in families.items():
        cells = []
        for command in COMMANDS:
            said = outcome[command]
            cells.append("yes" if said == "ok" else f"no [{_number(reasons, said)}]")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    whole = sum(all(said == "ok" for said in outcome.values()) for outcome in families.values())
    packages = result.get("packages", {})
    assert isinstance(packages, dict)
    versions = ", ".join(
        f"{p} {packages[p]}" for p in ("transformers", "trl", "peft") if p in packages
    )
    lines = [
        "# Model families",
        "",
        "Each command was run on a tiny model of each family: two layers, random weights, one suite of two",
        f"capabilities ({versions}). `yes`: the command gave an answer. `no`: it gave none, for the reason",
        f"below the table. {whole} of {len(families)} families take every command.",
        "",
        "`map` is full fine-tuning, `map LoRA` trains an adapter, on all linear layers where PEFT takes them;",
        "`certify` and `diff` take a whole tuned model, an adapter, and the adapter merged into its base.",
        "That answers are right is tested apart: scores against the model's own logits, slopes of the map",
        "against autograd.",
        "",
        f"| family | {' | '.join(COMMANDS)} |",
        f"|---|{'---|' * len(COMMANDS)}",
        *rows,
        "",
    ]
    lines += [f"{number}. {reason}" for reason, number in reasons.items()]
    lines += [
        "",
        "Made by `python -m evidence.families.run`; do not edit by hand.",
        "",
    ]
    return "\n".join(lines)


def _number(reasons: dict[str, int], reason: str) -> int:
    return reasons.setdefault(reason, len(reasons) + 1)


if __name__ == "__main__":
    main()
