"""Rows are tokenised once for a config, are read from disk, and leave nothing behind."""

import json
from pathlib import Path

import datasets
import pytest
from trl import SFTTrainer

from driftline.models import plan_training, read_training_data
from tests.models.runs import FULL, LORA, TEXTS

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def prepared(monkeypatch) -> list[int]:
    """Counts how often TRL prepares rows."""
    counted = []
    own = SFTTrainer._prepare_dataset

    def counting(self, dataset, *args, **kwargs):
        counted.append(len(dataset))
        return own(self, dataset, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "_prepare_dataset", counting)
    return counted


def test_a_plan_and_its_probe_tokenise_once(trajectory, prepared):
    made = trajectory(FULL, kept=(2,))
    assert prepared == [len(TEXTS)]
    made.ensure_trained()
    assert prepared == [len(TEXTS)]


@pytest.mark.parametrize(
    ("changes", "is_again"),
    [
        ({"learning_rate": 1e-4}, False),
        ({"max_steps": 3, "lr_scheduler_type": "linear"}, False),
        ({"max_length": 16}, True),
        ({"packing": True}, True),
        ({"eos_token": "<bos>"}, True),
        ({"shuffle_dataset": True}, True),
    ],
)
def test_another_config_tokenises_again_where_tokens_hang_on_it(
    base, write_config, write_data, prepared, changes, is_again
):
    data = write_data(TEXTS)
    first = plan_training(base, write_config(**FULL), data)
    again = plan_training(base, write_config(**{**FULL, **changes}), data)
    assert len(prepared) == 1 + is_again
    assert (first.example_tokens == again.example_tokens) or is_again


def test_another_model_or_other_rows_tokenise_again(
    base, open_family, write_config, write_data, prepared, tmp_path
):
    config, data = write_config(**LORA), write_data(TEXTS)
    plan_training(base, config, data)
    plan_training(open_family("qwen3"), config, data)
    plan_training(base, config, data.select(range(12), name="half"))
    assert prepared == [24, 24, 12]


def test_rows_lie_on_disk_and_nothing_is_written_beside_them(base, write_config, tmp_path):
    path = tmp_path / "rows" / "data.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in TEXTS))
    data = read_training_data(path)
    plan_training(base, write_config(**FULL), data)
    ((_, rows),) = data.prepared.values()
    for each in (data.rows(), rows):
        assert each.cache_files, "held in a file, not in memory"
        places = {Path(file["filename"]) for file in each.cache_files}
        shared = Path(datasets.config.HF_DATASETS_CACHE)
        assert not any(place.is_relative_to(tmp_path) for place in places)
        assert not any(place.is_relative_to(shared) for place in places)
    assert list(path.parent.iterdir()) == [path]
    assert datasets.is_caching_enabled()
