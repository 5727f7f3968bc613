"""Peak resident memory of each thing that is done to a model, each in a process of its own.

    python -m benchmarks.peak_memory [CASE.BASE ...]

Needs Linux and SmolLM2-135M from its package; quantised bases need bitsandbytes. Prints JSON and
writes it to `benchmarks/results/peak_memory.json`, where rows that were not measured now stay.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from driftline.models import (
    LanguageModel,
    NoiseDirection,
    Point,
    Scorer,
    Term,
    TokenSequence,
    Trajectory,
    at_point,
    open_model,
    plan_training,
    read_training_config,
    read_training_data,
)

RESULT = Path(__file__).parent / "results" / "peak_memory.json"
MIB = 2**20

BASES: dict[str, dict[str, object]] = {
    "float32": {},
    "bfloat16": {"dtype": torch.bfloat16},
    "8bit": {"load_in": "8bit"},
    "4bit": {"load_in": "4bit"},
}
FULL = "learning_rate: 1.0e-4\nmax_steps: 8\nper_device_train_batch_size: 1\nmax_length: 64\n"
LORA = FULL + "use_peft: true\nlora_r: 16\nlora_target_modules: all-linear\n"
TEXT = "The weights of a model are numbers, and every one of them takes up room in memory. " * 3
NUM_TOKENS = 512
"""Tokens of the pass that is made at a point."""


def peakmem_open(opened: LanguageModel, _folder: Path) -> None:
    """Nothing more than opening, with its checks and the digest."""


def peakmem_pass(opened: LanguageModel, _folder: Path) -> None:
    """One batch at the base."""
    sequence = TokenSequence(tuple(range(1, NUM_TOKENS + 1)), NUM_TOKENS - 8)
    Scorer(opened).score([sequence])


def peakmem_point(opened: LanguageModel, folder: Path) -> None:
    """A point where every matrix moves, with one batch there."""
    with at_point(opened, Point("noise", (Term(NoiseDirection(1), 0.05),))):
        peakmem_pass(opened, folder)


def peakmem_map_point(opened: LanguageModel, folder: Path) -> None:
    """A point where one layer moves, with one batch there."""
    names = [weight.name for weight in opened.weights if weight.layer == 3]
    with at_point(opened, Point("layer", (Term(NoiseDirection(1), dict.fromkeys(names, 0.1)),))):
        peakmem_pass(opened, folder)


def peakmem_probe_full(opened: LanguageModel, folder: Path) -> None:
    """Real steps of full fine-tuning, with one change kept."""
    _probe(opened, folder, FULL)


def peakmem_probe_lora(opened: LanguageModel, folder: Path) -> None:
    """Real steps of LoRA on all linear layers, with one change kept."""
    _probe(opened, folder, LORA)


def _probe(opened: LanguageModel, folder: Path, text: str) -> None:
    (folder / "config.yaml").write_text(text)
    (folder / "data.jsonl").write_text(f"{json.dumps({'text': TEXT})}\n" * 16)
    config = read_training_config(folder / "config.yaml")
    data = read_training_data(folder / "data.jsonl")
    plan = plan_training(opened, config, data)
    Trajectory(opened, config, data, folder / "kept", (2,), plan).ensure_trained()


CASES: dict[str, Callable[[LanguageModel, Path], None]] = {
    "open": peakmem_open,
    "pass": peakmem_pass,
    "point": peakmem_point,
    "map_point": peakmem_map_point,
    "probe_full": peakmem_probe_full,
    "probe_lora": peakmem_probe_lora,
}
NEVER = {("probe_full", "8bit"), ("probe_full", "4bit")}


def measure(case: str, base: str, model: Path) -> dict[str, float | str]:
    """Measure one case, in this process, which must be a fresh one.

    Args:
        case: A key of `CASES`.
        base: A key of `BASES`.
        model: The model's folder.

    Returns:
        MiB, counted from what the process held before the model was opened.
    """
    torch.ones(64, 64) @ torch.ones(64, 64)
    start = _status("VmRSS")
    if case == "open":
        _forget_peak()
    opened = open_model(str(model), **BASES[base])  # type: ignore[arg-type]
    if case != "open":
        _forget_peak()
    with tempfile.TemporaryDirectory() as folder:
        CASES[case](opened, Path(folder))
    peak = _status("VmHWM") - start
    opened.check_unchanged()
    held = {t.data_ptr(): t.nbytes for t in opened.model.state_dict().values()}
    weights = sum(held.values())
    return {
        "case": case,
        "base": base,
        "weights_mib": round(weights / MIB, 1),
        "peak_mib": round(peak / MIB, 1),
        "peak_over_weights": round(peak / weights, 2),
    }


def _status(field: str) -> int:
    """A field of this process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def _forget_peak() -> None:
    """Let the peak start again from what is held now (see `man proc`, clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _save_model(folder: Path) -> None:
    """SmolLM2-135M as it is usually found: safetensors in bfloat16."""
    opened = open_model("smollm2-135m", dtype=torch.bfloat16)
    opened.model.save_pretrained(folder)
    opened.tokenizer.save_pretrained(folder)


def main(chosen: list[str]) -> None:
    """Measure everything, or what is named, one process at a time."""
    if chosen[:1] == ["--one"]:
        print(json.dumps(measure(chosen[1], chosen[2], Path(chosen[3]))))
        return
    everything = [f"{case}.{base}" for base in BASES for case in CASES if (case, base) not in NEVER]
    rows = {}
    if RESULT.exists():
        old = json.loads(RESULT.read_text())["rows"]
        rows = {f"{row['case']}.{row['base']}": row for row in old}
    with tempfile.TemporaryDirectory() as folder:
        _save_model(Path(folder))
        for name in chosen or everything:
            command = [sys.executable, "-m", "benchmarks.peak_memory", "--one", *name.split(".")]
            done = subprocess.run([*command, folder], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr}")
            rows[name] = json.loads(done.stdout.splitlines()[-1])
            print(json.dumps(rows[name]), flush=True)
    found = {
        "model": "smollm2-135m",
        "torch_version": torch.__version__,
        "num_threads": torch.get_num_threads(),
        "tokens_of_a_pass": NUM_TOKENS,
        "rows": [rows[name] for name in everything if name in rows],
    }
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
