"""Does the share of confident conflicts in the data tell how much it costs?

    python -m evidence.forgetting.conflicts --data FOLDER      # writes conflicts.json

For each task: the share of its answers' tokens that the base gives 0.05 at most while it gives another token
0.5 or more, beside the mean loss of all capabilities over the finished runs on it.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy
import scipy.stats

from driftline.analyses import target_capability
from driftline.engine import LocalEngine, ResultStore
from driftline.models import count_conflicts, open_model

from ..tasks import task_data
from .cells import rounded
from .grid import COLLAPSE_NATS, TASKS
from .table import read_runs

RESULT = Path(__file__).parent / "conflicts.json"


def main() -> None:
    """Write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    runs, opened, rows = read_runs("smollm2-135m"), open_model("smollm2-135m"), {}
    with tempfile.TemporaryDirectory() as work, ResultStore(Path(work) / "tokens.sqlite") as store:
        engine = LocalEngine(opened, store)
        for name, task in TASKS.items():
            data = task_data(
                task.file, folder, Path(work), characters=task.characters, shuffled=task.shuffled
            )
            encoded = engine.scorer.encode(target_capability(data, seed=0, opened=opened))
            found = sum(count_conflicts(opened, encoded.sequences, engine.options))
            tokens = sum(len(s.tokens) - s.start for s in encoded.sequences)
            losses = [
                numpy.clip(loss, -COLLAPSE_NATS, COLLAPSE_NATS)
                for run in runs
                if run.task == name and run.record["seed"] == 0
                for loss in run.losses().values()
            ]
            rows[name] = {
                "conflict_share": rounded(found / tokens),
                "mean_loss_nats": rounded(float(numpy.mean(losses))),
            }
    result = {
        "tasks": rows,
        "spearman": rounded(
            scipy.stats.spearmanr(
                [row["conflict_share"] for row in rows.values()],
                [row["mean_loss_nats"] for row in rows.values()],
            ).statistic
        ),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
