"""The order of rows that is read off beforehand is the one that training really takes."""

import pytest

from driftline.models import plan_training
from driftline.models.trainer import _trajectory as trajectory_module
from tests.models.runs import FULL, LORA, TEXTS

LONG = [{"text": f"row {i}: {'word ' * (i % 5)}and {i * i}"} for i in range(30)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fields",
    [
        FULL,
        LORA,
        {**FULL, "seed": 7},
        {**FULL, "data_seed": 3},
        {**FULL, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 2},
        {**FULL, "train_sampling_strategy": "sequential"},
        {**FULL, "max_steps": -1, "num_train_epochs": 2, "per_device_train_batch_size": 7},
        {**FULL, "dataloader_drop_last": True, "per_device_train_batch_size": 7},
    ],
    ids=str,
)
def test_the_rows_of_each_step_are_those_that_are_trained(
    base, write_config, write_data, trajectory, monkeypatch, fields
):
    trained = []
    usual = trajectory_module.LeverTrainer.compute_loss

    def heard(self, model, inputs, *args, **kwargs):
        trained.extend(map(tuple, inputs["input_ids"].tolist()))
        return usual(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(trajectory_module.LeverTrainer, "compute_loss", heard)
    data = write_data(LONG)
    plan = plan_training(base, write_config(**fields), data)
    assert not trained
    assert sorted(plan.first_pass)[:5] == list(range(5)) or fields.get("dataloader_drop_last")
    found = trajectory(fields, kept=(3,), records=LONG)
    found.ensure_trained()
    text = base.tokenizer.decode
    said = [text(tokens, skip_special_tokens=True).strip() for tokens in trained]
    wanted = [data.examples[place]["text"].strip() for place in plan.rows_taken(3)]
    assert said == wanted
    left = plan.rows_left(3)
    assert left
    assert not set(left) & set(plan.rows_taken(3))
    assert not {data.examples[place]["text"] for place in left} & set(said)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fields",
    [
        {**FULL, "packing": True},
        {**FULL, "dataset_streaming": True},
        {**FULL, "train_sampling_strategy": "group_by_length"},
        {**FULL, "accelerator_config": {"use_seedable_sampler": False}},
    ],
    ids=str,
)
def test_an_order_that_is_not_known_is_empty(base, write_config, write_data, fields):
    plan = plan_training(base, write_config(**fields), write_data(TEXTS))
    assert plan.first_pass == plan.rows_taken(1) == plan.rows_left(1) == ()
