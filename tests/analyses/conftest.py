"""One small planned run, and what the main job says of it."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.analyses import AssessmentRequest, Effort, assess
from driftline.capabilities import Capability, MinimalPair, MultipleChoice, Passage, Suite
from driftline.engine import RunFolder
from driftline.models import TrainingConfig, read_training_data

EFFORT = Effort(
    num_noise_seeds=2,
    margin_ratio=2.0,
    assess_margin_ratio=2.0,
    num_line_items=4,
    num_ascent_refinements=1,
    worst_case_in_assess=True,
    num_map_items=3,
)
VALUES = {
    "learning_rate": 1e-3,
    "max_steps": 8,
    "per_device_train_batch_size": 4,
    "max_length": 64,
    "activation_checkpointing": False,
    "seed": 0,
}

PAIRS = Capability(
    "pairs", "minimal_pair", "margin_nats", 0.25,
    tuple(
        MinimalPair(id=str(i), good=f"{noun} runs.", bad=f"{noun} run.", group=noun[0])
        for i, noun in enumerate(("a cat", "a dog", "the cow", "the pig", "one hen", "our owl"))
    ),
    normalization="tokens",
)  # fmt: skip
CHOICES = Capability(
    "choices", "multiple_choice", "accuracy", 0.1,
    tuple(
        MultipleChoice(id=str(i), prompt=f"{i} + 1 =", choices=(" 9", f" {i + 1}"), answer=1)
        for i in range(6)
    ),
    required=False,
)  # fmt: skip
TEXTS = Capability(
    "texts", "perplexity", "nll_nats", 0.1,
    tuple(Passage(id=str(i), text=f"It rained on day {i}.") for i in range(6)),
)  # fmt: skip
SUITE = Suite("small", (PAIRS, CHOICES, TEXTS))


@dataclass(frozen=True)
class Planned:
    """A planned run that can be asked about."""

    opened: object
    data: object
    config: TrainingConfig

    def request(self, part="assess", **changes):
        fields = {"suites": (SUITE,), "effort": EFFORT, **changes}
        return AssessmentRequest(part, self.opened, self.data, self.config, **fields)

    def ask(self, path, part="assess", *, listener=lambda _progress: None, **changes):
        with RunFolder.open(path, part, outputs=("report.json",), force=False) as folder:
            return assess(self.request(part, **changes), folder, listener=listener)


@pytest.fixture(scope="session")
def planned(opened, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sums.jsonl"
    records = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(24)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Planned(
        opened, read_training_data(path), TrainingConfig("sums.yaml", VALUES, "sha256:0")
    )


@dataclass(frozen=True)
class Answer:
    """What was said, what was heard on the way, and where it is kept."""

    assessment: object
    heard: tuple
    path: Path


@pytest.fixture(scope="session")
def answer(planned, tmp_path_factory):
    """Part to answer; each is asked once."""

    @functools.cache
    def ask(part):
        path, heard = tmp_path_factory.mktemp(part) / "out", []
        return Answer(planned.ask(path, part, listener=heard.append), tuple(heard), path)

    return ask


@pytest.fixture(scope="session")
def answered(answer):
    """Part to assessment."""
    return lambda part: answer(part).assessment


@pytest.fixture(scope="session")
def assessment(answered):
    return answered("assess")
