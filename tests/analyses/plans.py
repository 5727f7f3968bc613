"""What a plan is tried on: a tiny model that learns sums, and texts that it must not forget."""

import json

from driftline.analyses import PlanRequest, plan
from driftline.capabilities import Capability, Passage, Suite
from driftline.engine import RunFolder
from driftline.models import TrainingConfig, read_training_data

VALUES = {
    "learning_rate": 1e-3,
    "max_steps": 5,
    "per_device_train_batch_size": 4,
    "max_length": 64,
    "activation_checkpointing": False,
    "seed": 0,
}
CONFIG = TrainingConfig("sums.yaml", VALUES, "sha256:0")
TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i} and on.") for i in range(80)),
    score_range=(0.0, 20.0),
)  # fmt: skip
SUITE = Suite("small", (TEXTS,))


def write_sums(path, num=60):
    records = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(num)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def sums(path, num=60):
    return read_training_data(write_sums(path, num))


def ask(request, path):
    with RunFolder.open(path, "plan", outputs=(), force=False) as folder:
        return plan(request, folder)


def request(opened, data, **changes):
    fields = {"config": CONFIG, "num_trials": 3, **changes}
    return PlanRequest(opened, data, (SUITE,), **fields)
