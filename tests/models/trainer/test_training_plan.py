"""The plan's steps and learning rates are those that TRL's own trainer really takes."""

import pytest

from driftline.errors import ConfigError, DataError
from driftline.models import open_model, plan_training
from tests import tiny
from tests.models.runs import FULL, TEXTS

SCHEDULES = [
    {},
    {"warmup_steps": 2},
    {"max_steps": -1, "num_train_epochs": 2},
    {"max_steps": -1, "num_train_epochs": 0.5},
    {"max_steps": -1, "num_train_epochs": 1.3, "gradient_accumulation_steps": 4},
    {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 5},
    {"max_steps": -1, "num_train_epochs": 2, "per_device_train_batch_size": 7,
     "gradient_accumulation_steps": 3},
    {"max_steps": -1, "num_train_epochs": 1, "per_device_train_batch_size": 50},
    {"max_steps": -1, "num_train_epochs": 1, "packing": True},
    {"max_steps": -1, "num_train_epochs": 1, "per_device_train_batch_size": 7,
     "dataloader_drop_last": True},
    {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 0.4},
    {"lr_scheduler_type": "linear"},
    {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-4}},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", SCHEDULES, ids=str)
def test_the_plan_is_what_the_trainer_does(base, write_config, write_data, real_run, fields):
    config, data = write_config(**{**FULL, **fields}), write_data(TEXTS)
    plan = plan_training(base, config, data)
    recorder = real_run(config, data)

    assert plan.num_steps == max(recorder.weights)
    assert plan.learning_rates == pytest.approx(recorder.rates, rel=1e-9, abs=1e-15)


def test_learning_rates_add_up(trajectory):
    plan = trajectory({**FULL, "lr_scheduler_type": "linear"}).plan

    assert plan.num_steps == 8
    rates = plan.learning_rates
    assert plan.summed_learning_rate(0) == 0
    assert plan.summed_learning_rate(1) == rates[0]
    assert plan.summed_learning_rate(2.25) == pytest.approx(rates[0] + rates[1] + rates[2] / 4)
    assert plan.summed_learning_rate(8) == pytest.approx(sum(rates))
    assert plan.summed_learning_rate(7.5) == pytest.approx(sum(rates[:7]) + rates[7] / 2)
    assert plan.summed_learning_rate(9.5) == pytest.approx(sum(rates))


def test_it_has_the_length_of_every_example_and_how_many_a_step_takes(trajectory):
    fields = {**FULL, "gradient_accumulation_steps": 2, "max_length": 33}
    plan = trajectory(fields, kept=(1,)).plan
    assert len(plan.example_tokens) == len(TEXTS)
    assert max(plan.example_tokens) == 33
    assert min(plan.example_tokens) < 33
    assert plan.examples_per_step == 8


@pytest.mark.parametrize(
    ("rows", "fields", "reason"),
    [
        ([{"input_ids": [1, 2, 3], "labels": [-100] * 3}] * 4, {}, "no row is left to train on"),
        (TEXTS, {"dataset_kwargs": {"skip_prepare_dataset": True}}, "the rows were not tokenised"),
    ],
)
def test_rows_that_leave_nothing_to_train_on_are_refused_in_plain_words(
    base, write_config, write_data, rows, fields, reason
):
    config = write_config(**{**FULL, "max_steps": -1, "num_train_epochs": 1, **fields})
    with pytest.raises(ConfigError, match=f"with data.jsonl, the trainer refuses them: {reason}"):
        plan_training(base, config, write_data(rows))


def test_a_row_with_a_token_that_has_no_row_is_refused_by_name(tmp_path, write_config, write_data):
    tokenizer = tiny.tokenizer(num_extra=62)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image_soft_token>"]})
    tiny.model().save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    base = open_model(str(tmp_path / "base"))
    config = write_config(**FULL)
    assert plan_training(base, config, write_data(TEXTS)).num_steps == 8
    rows = [*TEXTS[:-1], {"text": "a<image_soft_token>"}]
    with pytest.raises(DataError, match=r"a row holds <image_soft_token>, .*320 rows"):
        plan_training(base, config, write_data(rows))
