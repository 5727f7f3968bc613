"""Real runs under the monitor: damaged ones, and healthy ones.

    python -m evidence.monitor.measure --model build/models/stories15m --data shared/data \
        --out evidence/monitor/stories15m.json

Every damaged run is made twice: once with the action `log`, for what is raised when, and once with
`roll_back`, for where that leads; both with `act_on="measured"`. Evidence at level alpha is in the log of
each check, so the same runs tell when `act_on="evidence"` would have spoken. A run that is in the result
file is not made again, so a measurement that was cut off goes on. What is watched is the suite `core`; a
capability at which the base is no better than guessing is watched and not required.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from trl import SFTConfig, SFTTrainer

from driftline.capabilities import Suite, read_suite
from driftline.models import LanguageModel, open_model
from driftline.monitor.detectors._check import is_held
from driftline.monitor.handles._live import CapabilityWatch, LiveModel
from driftline.provenance import package_versions
from driftline.training import Action, MonitorSettings, StabilityMonitor, read_log
from evidence.monitor.runs import DAMAGED, HEALTHY, RUINOUS, Run, examples


@dataclass(frozen=True)
class Plan:
    """What all runs of one measurement share."""

    opened: LanguageModel
    suite: Suite
    data: Path
    num_steps: int
    every_steps: int
    max_length: int


class _QuietTrainer(SFTTrainer):  # type: ignore[misc]
    """Without telemetry."""

    def _send_telemetry(self) -> None:
        pass


class _Spike(transformers.TrainerCallback):  # type: ignore[misc]
    """Three steps at a hundred times the rate, early: what a wrong schedule or a bad restart does."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Raise the rate."""
        optimizer = kwargs["optimizer"]
        for group in optimizer.param_groups:
            # The schedule sets the rate again after every step.
            if state.global_step in (4, 5, 6):
                group["lr"] = 100 * args.learning_rate


def make(plan: Plan, run: Run, action: Action, folder: Path) -> list[Any]:
    """One run, on a fresh copy of the model.

    Args:
        plan: What all share.
        run: Which.
        action: Of the monitor.
        folder: Where it may write.

    Returns:
        The events of its log.
    """
    args = SFTConfig(
        output_dir=str(folder),
        learning_rate=run.learning_rate,
        max_steps=plan.num_steps,
        per_device_train_batch_size=4,
        max_length=plan.max_length,
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
    model = transformers.AutoModelForCausalLM.from_pretrained(plan.opened.source)
    trainer = _QuietTrainer(
        model=model.float(),
        args=args,
        train_dataset=datasets.Dataset.from_list(examples(run, plan.data)),
        processing_class=plan.opened.tokenizer,
        callbacks=[_Spike()] if run.fault == "spike" else [],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    settings = MonitorSettings(
        every_steps=plan.every_steps,
        glance_every_steps=1,
        action=action,
        act_on="measured",
        num_snapshots=2,
        step_tokens=128,
    )
    StabilityMonitor([plan.suite], settings, out=folder / "monitor").attach(trainer)
    trainer.train()
    return list(read_log(folder / "monitor" / "monitor.jsonl"))


def watched_suite(opened: LanguageModel, num_items: int) -> Suite:
    """The suite `core`, as far as this tokenizer can score it, with some items of each capability.

    Args:
        opened: The base.
        num_items: Of each capability; a seeded sample.

    Returns:
        The suite.
    """
    suite, can_chat = read_suite("core-0.1"), opened.tokenizer.chat_template is not None
    kept = [
        c.sample(num_items, seed=0)
        for c in suite.capabilities
        if can_chat or all(getattr(item, "messages", None) is None for item in c.items)
    ]
    return Suite(suite.name, tuple(kept))


def with_what_the_base_has_required(plan: Plan) -> Plan:
    """The plan, with capabilities at which the base is no better than guessing watched, not required."""
    live = LiveModel.of(
        plan.opened.model.float(), plan.opened.tokenizer, bfloat16=False, source="base"
    )
    losses = CapabilityWatch(live, plan.suite.capabilities).losses()
    kept = tuple(replace(c, required=is_held(c, losses[c.name])) for c in plan.suite.capabilities)
    return replace(plan, suite=Suite(plan.suite.name, kept))


def timeline(events: list[Any], plan: Plan) -> dict[str, Any]:
    """What of a run's log is judged.

    Args:
        events: Of the log.
        plan: Knows the tolerances.

    Returns:
        Checks with their numbers, warnings, alarms, and what a roll-back led to.
    """
    required = {c.name: c.tolerance for c in plan.suite.capabilities if c.required}
    keys = (
        "kl_suite_nats", "kl_task_nats", "representation_drift", "update_relative_norm",
        "functional_magnitude", "curvature", "unpredictability", "steps_left",
    )  # fmt: skip
    checks = []
    for event in (e for e in events if e["event"] == "check"):
        worst = max(required, key=lambda n: event["losses"][n] / required[n])
        checks.append(
            {
                "step": event["step"],
                **{key: event[key] for key in keys},
                "losses": event["losses"],
                "log_evidence": event["log_evidence"],
                "worst": worst,
                "worst_in_tolerances": event["losses"][worst] / required[worst],
                "rank_ratios": [layer["rank_ratio"] for layer in event["layers"]],
                "warnings": [w["detector"] for w in event["warnings"]],
            }
        )
    alarms = [
        {k: e[k] for k in ("step", "detector", "capabilities", "evidence")}
        for e in events
        if e["event"] == "alarm"
    ]
    back = next((e for e in events if e["event"] == "action_done"), None)
    return {
        "checks": checks,
        "alarms": alarms,
        "glances": [e["step"] for e in events if e["event"] == "glance"],
        "spikes": [e["step"] for e in events if e["event"] == "spike"],
        "failed": [e["reason"] for e in events if e["event"] == "check_failed"],
        "roll_back": back
        and {k: back[k] for k in ("step", "to_step", "required_beyond_tolerance") if k in back},
    }


def main() -> None:
    """Make every run that the result file does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--items", type=int, default=40, help="of each capability, at most")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--runs", choices=("damaged", "ruinous", "healthy", "all"), default="all")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    opened = open_model(wanted.model)
    plan = Plan(
        opened,
        watched_suite(opened, wanted.items),
        wanted.data,
        wanted.steps,
        wanted.every,
        wanted.max_length,
    )
    held: dict[str, Any] = {"runs": {}}
    if wanted.out.exists():
        held = json.loads(wanted.out.read_text(encoding="utf-8"))
        blind = set(held["watched_only"])
        kept = tuple(replace(c, required=c.name not in blind) for c in plan.suite.capabilities)
        plan = replace(plan, suite=Suite(plan.suite.name, kept))
    else:
        plan = with_what_the_base_has_required(plan)
        held |= {
            "model": Path(wanted.model).name,
            "model_digest": plan.opened.digest,
            "steps": plan.num_steps,
            "every_steps": plan.every_steps,
            "max_length": plan.max_length,
            "tolerances": {c.name: c.tolerance for c in plan.suite.capabilities},
            "items": {c.name: len(c.items) for c in plan.suite.capabilities},
            "watched_only": [c.name for c in plan.suite.capabilities if not c.required],
            "packages": package_versions(),
        }
    chosen = {
        "damaged": DAMAGED,
        "ruinous": RUINOUS,
        "healthy": HEALTHY,
        "all": DAMAGED + RUINOUS + HEALTHY,
    }[wanted.runs]
    pairs: list[tuple[Run, Action]] = [(run, "log") for run in chosen]
    pairs += [(run, "roll_back") for run in chosen if run.fault not in ("none", "ruin")]
    for run, action in pairs:
        name = f"{run.name}/{action}"
        if name in held["runs"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = timeline(make(plan, run, action, Path(folder)), plan)
        held["runs"][name] = {"fault": run.fault, "expected": list(run.expected), **found}
        wanted.out.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
        print(name, [(a["step"], a["detector"], a["capabilities"][:2]) for a in found["alarms"]])


if __name__ == "__main__":
    main()
