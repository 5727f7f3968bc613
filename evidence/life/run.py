"""Live one life of one model, and record what each command says.

    python -m evidence.life.run stories --data FOLDER --model build/models/stories15m-cut
    python -m evidence.life.run smollm2-135m --data FOLDER

FOLDER holds `ft_tatoeba_en_es.jsonl` and `probe_blimp.jsonl`. The work is done in `build/life/NAME`, whose path
appears in no record. A command that has ended is not run again; `NAME.json` beside this file holds those that
have. `python -m scripts.life_page` then fills the guide.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .documents import documents
from .inputs import Sizes, config, write_inputs

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "build" / "life"
SIZES = {
    "stories": Sizes(
        own_items=600, other_items=800, repair_items=400, steps=40, learning_rate=3e-4, bf16=False
    ),
    # Smaller, so that the life takes less than an hour of one core.
    "smollm2-135m": Sizes(
        own_items=160,
        other_items=300,
        repair_items=80,
        steps=24,
        learning_rate=1e-3,
        trials=2,
        rows=400,
        unseen_rows=40,
    ),
}
"""Name of a model, as the commands write it -> its sizes."""
COMMANDS = {
    "assess": "assess {model} --data pairs.jsonl --config sft.yaml --suite own.yaml --out run-assess",
    "train-plain": "train sft.yaml --model {model} --data pairs.jsonl --suite own.yaml "
    "--eval-data unseen.jsonl --out run-plain",
    "plan": "plan {model} --data pairs.jsonl --config sft.yaml --suite own.yaml --trials {trials} --out run-plan",
    "train": "train run-plan/protocol.yaml --eval-data unseen.jsonl --out run-train",
    "certify": "certify {model} run-train/model --suite other.yaml --out run-certify",
    "certify-plain": "certify {model} run-plain/model --suite other.yaml --out run-lost",
    "repair": "repair {model} run-plain/model --suite own.yaml --data unseen.jsonl --items {repair_items} "
    "--out run-repair",
    "certify-repaired": "certify {model} run-repair/repaired --suite other.yaml --out run-repaired",
    "keygen": "keygen --out keys",
    "sign": "sign run-repaired/certification.json --key keys/private.pem --out repaired.json",
    "verify": "verify repaired.json --key keys/public.pem --model run-repair/repaired --suite other.yaml",
    "verify-another": "verify repaired.json --key keys/public.pem --model run-plain/model --suite other.yaml",
}
"""Name of a step -> the command, in the order of the life."""
ENDED = (0, 1, 3, 5)
"""Exit codes of a command that came to a verdict, or refused a certificate."""


def main() -> None:
    """Live a life to its end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(SIZES), help="which life")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="its folder; left out for a model with a name")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="steps; by default all")
    options = parser.parse_args()
    sizes = SIZES[options.name]
    folder = prepare(options.name, options.data, options.model, sizes)
    steps = live(options.name, sizes, folder, options.only or tuple(COMMANDS))
    record = {
        "model": options.name,
        "sizes": asdict(sizes),
        "config": config(sizes),
        "steps": steps,
        "documents": documents(folder),
    }
    path = HERE / f"{options.name}.json"
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def prepare(name: str, data: Path, model: Path | None, sizes: Sizes) -> Path:
    """Make the folder in which the commands run.

    Args:
        name: Of the model, as the commands write it.
        data: Folder with the data.
        model: The model's folder, which is copied to the name; None if the name is a model.
        sizes: Of the inputs.

    Returns:
        The folder. Inputs that are there are kept.
    """
    folder = WORK / name
    if not folder.exists():
        folder.mkdir(parents=True)
        write_inputs(data, folder, sizes)
        if model is not None:
            shutil.copytree(model, folder / name)
    return folder


def live(name: str, sizes: Sizes, folder: Path, only: Collection[str]) -> dict[str, Any]:
    """Run the commands that have not ended yet.

    Args:
        name: Of the model.
        sizes: Of the inputs.
        folder: As `prepare` made it.
        only: The steps to run; steps that need nothing of each other may run in two processes.

    Returns:
        Each step that has ended, in the order of the life, with what it said.

    Raises:
        SystemExit: A command came to no verdict.
    """
    journal = folder / "steps"
    journal.mkdir(exist_ok=True)
    for step in COMMANDS:
        if step not in only or (journal / f"{step}.json").exists():
            continue
        words = COMMANDS[step].format(model=name, **asdict(sizes))
        print(f"driftline {words}", flush=True)
        ended = run(words, folder)
        if ended["exit_code"] not in ENDED:
            sys.exit(f"exit code {ended['exit_code']}: {ended['text']}")
        text = json.dumps(ended, ensure_ascii=False)
        (journal / f"{step}.json").write_text(text, encoding="utf-8")
    paths = {step: journal / f"{step}.json" for step in COMMANDS}
    return {
        step: json.loads(path.read_text(encoding="utf-8"))
        for step, path in paths.items()
        if path.exists()
    }


def run(words: str, folder: Path) -> dict[str, Any]:
    """Run one command on one thread.

    Args:
        words: The command, without `driftline`.
        folder: Its working folder.

    Returns:
        The command, its exit code, the text of its first screen and its processor seconds.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        [sys.executable, "-c", "from driftline.cli import main; main()", *shlex.split(words)],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "command": f"driftline {words}",
        "exit_code": ended.returncode,
        "cpu_seconds": round(seconds, 1),
        "text": ended.stdout,
    }


if __name__ == "__main__":
    main()
