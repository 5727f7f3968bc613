"""Real runs under the monitor that looks ahead: damaged ones, and healthy ones.

    python -m evidence.monitor.ahead --model build/models/minimind2-small --data FOLDER

Each run is one record, `ahead/MODEL/RUN.json`; a run that has its record is not made again, so a measurement
that was cut off goes on. The monitor runs at its default cadence, with the action `log` and
`act_on="measured"`. What it says is compared with losses that are scored beside it, on the same items: after
every step of a damaged run, which ends once the worst capability has lost twice its tolerance and an alarm was
raised; of a healthy one, at its end. What is watched are the capabilities of the suite `core-0.1` at which the
base is better than guessing.

Of eight damaged runs of SmolLM2-135M four ended within every tolerance, and two just beyond one.
Set before they were made: for this model the six at ten times the rate (`SHARPER`), and two that are meant
to be harmless (the first two of `BRISK`). Whatever they show is reported. How many damaged runs lost twice the tolerance is
not known before, and none is left out for it.
"""

import argparse
import copy
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Capability, Suite, read_suite
from driftline.models import LanguageModel, open_model
from driftline.monitor.detectors import is_held
from driftline.monitor.handles import CapabilityWatch, LiveModel
from driftline.monitor.signals import mean_losses
from driftline.provenance import package_versions
from driftline.training import MonitorSettings, StabilityMonitor, read_log
from evidence.monitor.runs import BRISK, DAMAGED, HEALTHY, SHARPER, Run, examples

FOLDER = Path(__file__).parent / "ahead"
NUM_STEPS, NUM_ITEMS, MAX_LENGTH, ROWS = 10, 40, 64, 4


class _QuietTrainer(SFTTrainer):  # type: ignore[misc]
    """Without telemetry."""

    def _send_telemetry(self) -> None:
        pass


class _Spike(transformers.TrainerCallback):  # type: ignore[misc]
    """Three steps at a hundred times the rate, early: what a wrong schedule or a bad restart does."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Raise the rate."""
        for group in kwargs["optimizer"].param_groups:
            # The schedule sets the rate again after every step.
            if state.global_step in (4, 5, 6):
                group["lr"] = 100 * args.learning_rate


@dataclass
class _Truth(transformers.TrainerCallback):  # type: ignore[misc]
    """The losses of the capabilities, scored apart from the monitor, after its own look at the step."""

    capabilities: tuple[Capability, ...]
    monitor: StabilityMonitor
    at_every_step: bool
    worst: dict[int, tuple[str, float]] = field(default_factory=dict)
    """By step: the worst capability, and its loss in tolerances."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Score the base."""
        live = LiveModel.of(
            kwargs["model"], kwargs["processing_class"], bfloat16=False, source="base"
        )
        self._watch = CapabilityWatch(live, self.capabilities)
        self._base = self._watch.losses()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Score; once the damage is done and the alarm was raised, the run has said what it can."""
        if not self.at_every_step and state.global_step < state.max_steps:
            return
        losses = mean_losses(self._watch.losses(), self._base)
        of = {c.name: losses[c.name] / c.tolerance for c in self.capabilities}
        name = max(of, key=lambda n: of[n])
        self.worst[state.global_step] = (name, round(of[name], 4))
        if of[name] >= 2 and self.monitor.alarms:
            control.should_training_stop = True


def make(opened: LanguageModel, suite: Suite, run: Run, data: Path, folder: Path) -> dict[str, Any]:
    """One run, on a fresh copy of the model.

    Args:
        opened: The base.
        suite: What is watched.
        run: Which.
        data: Where the data files are.
        folder: Where it may write.

    Returns:
        Its record.
    """
    args = SFTConfig(
        output_dir=str(folder),
        learning_rate=run.learning_rate,
        max_steps=NUM_STEPS,
        per_device_train_batch_size=ROWS,
        max_length=MAX_LENGTH,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        bf16=False,
        use_cpu=True,
        seed=run.seed,
        gradient_checkpointing=False,
        **({"lr_scheduler_type": "constant"} | run.changes),
    )
    settings = MonitorSettings(
        action="log", act_on="measured", num_items=NUM_ITEMS, num_snapshots=1
    )
    monitor = StabilityMonitor([suite], settings, out=folder / "monitor")
    truth = _Truth(suite.capabilities, monitor, at_every_step=run.fault != "none")
    trainer = _QuietTrainer(
        model=copy.deepcopy(opened.model).float(),
        args=args,
        train_dataset=datasets.Dataset.from_list(examples(run, data)),
        processing_class=opened.tokenizer,
        callbacks=[_Spike(), truth] if run.fault == "spike" else [truth],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    monitor.attach(trainer)
    trainer.train()
    events: list[Any] = list(read_log(folder / "monitor" / "monitor.jsonl"))
    return {
        "fault": run.fault,
        "expected": list(run.expected),
        "worst_in_tolerances": {str(step): found for step, found in truth.worst.items()},
        "alarms": [
            {k: e[k] for k in ("step", "before_step", "detector", "capabilities", "evidence")}
            for e in events
            if e["event"] == "alarm"
        ],
        "checks": [
            {
                k: e[k]
                for k in ("step", "before_step", "kl_suite_nats", "unpredictability", "losses")
            }
            for e in events
            if e["event"] == "check"
        ],
        "glances": [e["step"] for e in events if e["event"] == "glance"],
        "failed": [e["reason"] for e in events if e["event"] == "check_failed"],
    }


def watched_suite(opened: LanguageModel) -> Suite:
    """The capabilities of `core-0.1` that the base has, all required, with a seeded sample of the items.

    Args:
        opened: The base.

    Returns:
        The suite.
    """
    can_chat = opened.tokenizer.chat_template is not None
    chosen = [
        c.sample(NUM_ITEMS, seed=0)
        for c in read_suite("core-0.1").capabilities
        if can_chat or all(getattr(item, "messages", None) is None for item in c.items)
    ]
    live = LiveModel.of(opened.model.float(), opened.tokenizer, bfloat16=False, source="base")
    losses = CapabilityWatch(live, chosen).losses()
    return Suite("core-0.1", tuple(c for c in chosen if is_held(c, losses[c.name])))


def main() -> None:
    """Make every run that has no record yet, damaged and healthy ones in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--healthy", type=int, default=8, help="so many healthy runs")
    parser.add_argument("--damaged", type=int, default=8, help="so many damaged runs")
    parser.add_argument(
        "--sharper", type=int, default=0, help="so many damaged runs at ten times the rate"
    )
    parser.add_argument("--brisk", type=int, default=3, help="so many healthy runs at higher rates")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    name = Path(wanted.model).name
    folder = FOLDER / name
    chosen = [
        *DAMAGED[: wanted.damaged], *SHARPER[: wanted.sharper],
        *BRISK[: wanted.brisk], *HEALTHY[: wanted.healthy],
    ]  # fmt: skip
    missing = [run for run in chosen if not (folder / f"{run.name}.json").exists()]
    if not missing:
        return
    opened = open_model(wanted.model)
    suite = watched_suite(opened)
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "model": name,
        "model_digest": opened.digest,
        "items": NUM_ITEMS,
        "steps": NUM_STEPS,
        "tolerances": {c.name: c.tolerance for c in suite.capabilities},
        "packages": package_versions(),
    }
    for run in missing:
        with tempfile.TemporaryDirectory() as work:
            found = make(opened, suite, run, wanted.data, Path(work))
        text = json.dumps({**common, "run": run.name, **found}, indent=1) + "\n"
        (folder / f"{run.name}.json").write_text(text, encoding="utf-8")
        print(
            run.name, found["worst_in_tolerances"],
            [(a["step"], a["before_step"], a["detector"], a["capabilities"][:2]) for a in found["alarms"]],
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
