"""Fine-tune with TRL while Driftline's monitor watches the capabilities.

python examples/monitor_in_trl.py MODEL train.jsonl OUT

MODEL is a folder or a hub id; train.jsonl has rows with `prompt` and `completion`. The only lines that
Driftline adds to a script of TRL are marked.
"""

import argparse
from pathlib import Path

import datasets
import torch
from trl import SFTConfig, SFTTrainer

from driftline import MonitorSettings, StabilityMonitor, Suite, read_suite  # added
from driftline.training import read_log  # added


def main() -> None:
    """Train, then print what the monitor saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--report-to", default="none", help="tensorboard, wandb, mlflow or none")
    parser.add_argument(
        "--watch", nargs="*", default=[], help="capabilities of core (default: all)"
    )
    options = parser.parse_args()

    has_gpu = torch.cuda.is_available()
    trainer = SFTTrainer(
        model=options.model,
        train_dataset=datasets.load_dataset("json", data_files=options.data, split="train"),
        args=SFTConfig(
            output_dir=str(options.out),
            max_steps=options.steps,
            learning_rate=options.learning_rate,
            per_device_train_batch_size=4,
            max_length=128,
            # The monitor reads loss and gradient norm where the trainer logs them.
            logging_steps=1,
            save_strategy="no",
            use_cpu=not has_gpu,
            bf16=has_gpu,
            report_to=options.report_to,
        ),
    )
    settings = MonitorSettings(  # added
        every_steps=5,
        # Act as soon as the items show a loss beyond the tolerance, without waiting for evidence at level alpha.
        act_on="measured",
        action="roll_back",
    )
    core = read_suite("core")  # added; your own suite is better
    watched = [c for c in core.capabilities if not options.watch or c.name in options.watch]
    StabilityMonitor([Suite("watched", tuple(watched))], settings).attach(trainer)  # added
    trainer.train()

    for event in read_log(options.out / "monitor" / "monitor.jsonl"):
        if event["event"] in ("check", "alarm", "action_done"):
            told = {name: event.get(name) for name in ("detector", "action", "to_step", "losses")}
            print(event["step"], event["event"], {k: v for k, v in told.items() if v is not None})


if __name__ == "__main__":
    main()
