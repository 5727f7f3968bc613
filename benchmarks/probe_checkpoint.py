"""Size and time of the checkpoint that a probe of SmolLM2-135M leaves, full fine-tuning and LoRA.

    python -m benchmarks.probe_checkpoint

Needs SmolLM2-135M from its package, and 4 GB of disk. Prints JSON and writes it to
`benchmarks/results/probe_checkpoint.json`. Seconds hold for the disk and the load of the machine.
"""

import json
import tempfile
import time
from pathlib import Path

from driftline.models import (
    LanguageModel,
    Trajectory,
    checkpoint_files,
    open_model,
    plan_training,
    read_training_config,
    read_training_data,
)

RESULT = Path(__file__).parent / "results" / "probe_checkpoint.json"
FULL = "learning_rate: 1.0e-4\nmax_steps: 10\nper_device_train_batch_size: 1\nmax_length: 16\n"
LORA = FULL + "use_peft: true\nlora_r: 16\nlora_target_modules: all-linear\n"
ROWS = "".join(json.dumps({"text": f"Row {i} of a small file."}) + "\n" for i in range(12))
LAST_STEP = 2


def main() -> None:
    """Measure both, and write the result."""
    opened = open_model("smollm2-135m")
    result = {name: measure(opened, config) for name, config in (("full", FULL), ("lora", LORA))}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(RESULT.read_text())


def measure(opened: LanguageModel, config: str) -> dict[str, float]:
    """Train a probe of two steps with and without its checkpoint.

    Args:
        opened: The base.
        config: The planned run, as YAML.

    Returns:
        Bytes of the checkpoint, seconds that it adds to the probe, and seconds of its digests.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "sft.yaml").write_text(config)
        (folder / "rows.jsonl").write_text(ROWS)
        seconds = {}
        for name in ("without", "with"):
            trajectory = _trajectory(opened, folder, folder / name, keeps=name == "with")
            began = time.monotonic()
            trajectory.ensure_trained()
            seconds[name] = time.monotonic() - began
        assert trajectory.checkpoint is not None
        began = time.monotonic()
        names = checkpoint_files(trajectory.checkpoint)
        return {
            "bytes": sum((trajectory.checkpoint / name).stat().st_size for name in names),
            "seconds_added": round(seconds["with"] - seconds["without"], 1),
            "seconds_of_digests": round(time.monotonic() - began, 1),
        }


def _trajectory(opened: LanguageModel, folder: Path, work: Path, *, keeps: bool) -> Trajectory:
    config = read_training_config(folder / "sft.yaml")
    data = read_training_data(folder / "rows.jsonl", config=config)
    return Trajectory(
        opened,
        config,
        data,
        work / "directions",
        (LAST_STEP,),
        plan_training(opened, config, data),
        checkpoints=work / "checkpoints" if keeps else None,
    )


if __name__ == "__main__":
    main()
