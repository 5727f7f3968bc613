"""What the monitor puts through the model, counted in tokens, at its default cadence; nothing is trained.

    python -m benchmarks.monitor_overhead --model build/models/minimind2-small \
        --out benchmarks/results/monitor_overhead.json

For runs of several lengths and sizes of a step: the items that are scored, the checks and glances at a constant
learning rate, and their tokens as a share of the run's, each forward and twice as much backward. A check that a
glance asks for comes on top, and its share stands beside it.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from trl import SFTConfig

from driftline.analyses import sampled_items
from driftline.capabilities import Capability, read_suite
from driftline.models import LanguageModel, open_model
from driftline.monitor import affordable_cadence, affordable_num_items, is_early_glance
from driftline.monitor.handles import LiveModel
from driftline.training import MonitorSettings

STEPS = (500, 2_000, 10_000)
STEP_TOKENS = (512, 2_048, 4_096, 8_192, 16_384)
STARTS = 2
"""The base, and once in the sensitivity self-test."""
ROW = 256
SETTINGS = MonitorSettings()
GLANCE_TOKENS = SETTINGS.anchor_rows * SETTINGS.anchor_row_tokens


def overhead(
    live: LiveModel, capabilities: list[Capability], num_steps: int, step_tokens: int, folder: str
) -> dict[str, Any]:
    """Count one run.

    Args:
        live: Counts tokens.
        capabilities: With all their items.
        num_steps: Of the run.
        step_tokens: Trained in a step.
        folder: For the trainer's arguments.

    Returns:
        A row of the table.
    """
    args = SFTConfig(
        output_dir=folder,
        per_device_train_batch_size=step_tokens // ROW,
        use_cpu=True,
        report_to="none",
    )
    rows = [{"input_ids": [0] * ROW}]
    num_items = affordable_num_items(
        args, rows, capabilities, live,
        num_steps=num_steps, every_steps=None, overhead=SETTINGS.overhead,
        other_tokens=SETTINGS.tokens_beside_items,
    )  # fmt: skip
    chosen = sampled_items(capabilities, num_items, seed=0)
    check = live.num_tokens(chosen) + SETTINGS.tokens_beside_items
    found = affordable_cadence(
        args, rows,
        check_tokens=check, glance_tokens=GLANCE_TOKENS, num_steps=num_steps, overhead=SETTINGS.overhead,
    )  # fmt: skip
    clock = [float(step) for step in range(1, num_steps + 1)]
    checks = {*range(found.every_steps, num_steps + 1, found.every_steps), num_steps}
    checks |= set(found.early_steps)
    glances = [
        step
        for step in range(1, num_steps + 1)
        if step not in checks
        and (step % found.glance_every_steps == 0 or is_early_glance(clock, step))
    ]
    run = 3 * num_steps * step_tokens
    tokens = (STARTS + len(checks)) * check + len(glances) * GLANCE_TOKENS
    return {
        "steps": num_steps,
        "step_tokens": step_tokens,
        "items_of_a_capability": num_items or max(len(c.items) for c in capabilities),
        "early_checks": list(found.early_steps),
        "checks": len(checks),
        "every_steps": found.every_steps,
        "glances": len(glances),
        "looks_ahead": sum(is_early_glance(clock, step) for step in glances),
        "share": round(tokens / run, 5),
        "share_of_a_check_that_is_asked_for": round(check / run, 5),
    }


def main() -> None:
    """Count every run, print the table and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--suite", default="core")
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    opened: LanguageModel = open_model(wanted.model)
    live = LiveModel.of(opened.model, opened.tokenizer, bfloat16=False, source="base")
    capabilities = list(read_suite(wanted.suite).capabilities)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            overhead(live, capabilities, num_steps, step_tokens, folder)
            for num_steps in STEPS
            for step_tokens in STEP_TOKENS
        ]
    for row in rows:
        share, asked = row["share"], row["share_of_a_check_that_is_asked_for"]
        print(
            f"{row['steps']:6} steps of {row['step_tokens']:6}: {row['items_of_a_capability']:4} items, "
            f"early {row['early_checks']}, {row['checks']} checks, {row['glances']} glances, {row['looks_ahead']} of them ahead: "
            f"{share:.1%}, each asked for {asked:.2%}"
        )
    made = {
        "model": Path(wanted.model).name,
        "suite": wanted.suite,
        "glance_tokens": GLANCE_TOKENS,
        "overhead": SETTINGS.overhead,
        "largest_share_from_4096_tokens_a_step": max(
            row["share"] for row in rows if row["step_tokens"] >= 4_096
        ),
        "runs": rows,
    }
    wanted.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
