"""Time and peak memory of reading many rows and preparing them for training, each in a process of its own.

    python -m benchmarks.training_rows [NUM_ROWS]

Needs Linux. Rows of 1 kB are read and checked; rows of 0.2 kB are prepared, by a tiny model with a
tokenizer of one token a byte, so that nearly all is spent on rows. Prints JSON; 200,000 rows are written to `benchmarks/results/training_rows.json`.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import trl
import trl.trainer.base_trainer

from driftline.models import (
    open_model,
    plan_training,
    read_training_config,
    read_training_data,
)
from driftline.models.trainer import probe_trainer
from driftline.models.trainer.levers import Levers
from tests import tiny

RESULT = Path(__file__).parent / "results" / "training_rows.json"
MIB = 2**20
NUM_ROWS = 200_000
CONFIG = "max_steps: 8\nper_device_train_batch_size: 4\nmax_length: 1024\nbf16: false\n"
WORDS = [
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
]


def write_rows(path: Path, num: int, *, num_words: int) -> None:
    """Write chats of two turns with so many words each."""
    with path.open("w", encoding="utf-8") as file:
        for row in range(num):
            asked = " ".join(WORDS[(row * 5 + at) % 14] for at in range(num_words))
            said = " ".join(WORDS[(row * 3 + at * at) % 14] for at in range(num_words))
            turns = [("user", f"{row}: {asked}"), ("assistant", said)]
            messages = [{"role": role, "content": content} for role, content in turns]
            file.write(json.dumps({"messages": messages}) + "\n")


def load_dataset(folder: Path) -> None:
    """What `datasets` takes to read the file."""
    datasets.load_dataset(
        "json",
        data_files=str(folder / "rows.jsonl"),
        split="train",
        cache_dir=str(folder / "cache"),
    )


def read(folder: Path) -> None:
    """What Driftline takes to read and check the file."""
    read_training_data(folder / "rows.jsonl")


def trl_set_up(folder: Path) -> None:
    """What TRL takes to set up its trainer, from the file on."""
    trl.trainer.base_trainer.send_telemetry = lambda *_args, **_options: None
    trl.SFTTrainer(
        model=str(folder / "model"),
        args=trl.SFTConfig(
            output_dir=str(folder / "out"), use_cpu=True, report_to="none", max_steps=8,
            per_device_train_batch_size=4, max_length=1024, bf16=False,
        ),
        train_dataset=datasets.load_dataset(
            "json", data_files=str(folder / "short.jsonl"), split="train",
            cache_dir=str(folder / "trl"),
        ),
    )  # fmt: skip


def plan_and_probe(folder: Path) -> None:
    """What Driftline takes for the plan and for the probe's trainer after it, from the file on."""
    opened = open_model(str(folder / "model"))
    config = read_training_config(folder / "sft.yaml")
    data = read_training_data(folder / "short.jsonl", config=config)
    plan_training(opened, config, data)
    with probe_trainer(opened, config, data, levers=Levers()):
        pass


CASES: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (load_dataset, read, trl_set_up, plan_and_probe)
}


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _run(case: str, folder: Path) -> None:
    datasets.disable_progress_bars()
    before, began = _peak_mib(), time.perf_counter()
    CASES[case](folder)
    seconds = time.perf_counter() - began
    found = {
        "seconds": round(seconds, 1),
        "peak_mib": round(_peak_mib()),
        "at_start_mib": round(before),
    }
    print(json.dumps(found))


def main() -> None:
    """Measure every case in a process of its own."""
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        _run(sys.argv[1], Path(sys.argv[2]))
        return
    num = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.jsonl", num, num_words=84)
        write_rows(folder / "short.jsonl", num, num_words=8)
        (folder / "sft.yaml").write_text(CONFIG)
        tiny.save(folder / "model", max_position_embeddings=1024)
        found: dict[str, object] = {
            "rows": num,
            "mib_read": round((folder / "rows.jsonl").stat().st_size / MIB, 1),
            "mib_prepared": round((folder / "short.jsonl").stat().st_size / MIB, 1),
        }
        for case in CASES:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.training_rows", case, name],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            found[case] = json.loads(done.stdout.strip().splitlines()[-1])
            print(case, found[case], flush=True)
    text = json.dumps(found, indent=1)
    print(text)
    if num == NUM_ROWS:
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
