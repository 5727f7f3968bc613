"""The first steps are those of the real run: TRL's own trainer, from end to end."""

import copy
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trl.trainer.base_trainer

from driftline.errors import ConfigError, DataError, RunError
from driftline.models import Point, Term, Trajectory, at_point, open_model
from tests.models.runs import FULL, LORA, TEXTS


def changes(made: Trajectory, step: int) -> dict[str, torch.Tensor]:
    direction = made.direction(step)
    direction.prepare()
    found = {n: direction.delta(n, w) for n, w in made.opened.model.named_parameters()}
    return {name: change for name, change in found.items() if change is not None}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "fields",
    [
        FULL,
        {**FULL, "gradient_accumulation_steps": 2, "seed": 7, "warmup_steps": 1},
        {**FULL, "optim": "sgd", "packing": True},
    ],
    ids=["adam", "accumulated", "sgd-packed"],
)
def test_the_change_is_the_real_runs_bit_for_bit(base, trajectory, real_run, fields):
    made = trajectory(fields, kept=(2, 5))
    recorder = real_run(made.config, made.data)

    for step in (2, 5):
        found = changes(made, step)
        for name, weight in base.model.named_parameters():
            wanted = recorder.weights[step][name] - weight.detach()
            assert torch.equal(found.get(name, torch.zeros_like(wanted)), wanted), name
        assert len(found) == len(base.weights)
    assert any((changes(made, 2)[n] != changes(made, 5)[n]).any() for n in changes(made, 2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("more", [{}, {"use_rslora": True}, {"lora_target_modules": "all-linear"}])
def test_the_change_of_an_adapter_is_b_times_a(base, trajectory, real_run, more):
    fields = {**LORA, **more}
    made = trajectory(fields, kept=(2, 4))
    recorder = real_run(made.config, made.data)
    # Keeping step 2 must not disturb step 4.
    found = changes(made, 4)

    scale = 8 / (4**0.5 if "use_rslora" in more else 4)
    weights = recorder.weights[4]
    adapted = {}
    for name, left in weights.items():
        if ".lora_B." in name:
            right = weights[name.replace(".lora_B.", ".lora_A.")]
            plain = name.removeprefix("base_model.model.").replace(".lora_B.default", "")
            adapted[plain] = scale * (left.double() @ right.double())
    assert set(found) == set(adapted)
    assert len(found) == (14 if "lora_target_modules" in more else 4)
    for name, wanted in adapted.items():
        assert torch.allclose(found[name].double(), wanted, atol=1e-6, rtol=1e-5), name


def test_messages_and_prompts_with_completions_train_too(trajectory):
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello there"}]
    for records in (
        [{"messages": chat}] * 12,
        [{"prompt": "one and one is ", "completion": "two"}] * 12,
        [{"prompt": chat[:1], "completion": chat[1:]}] * 12,
    ):
        assert changes(trajectory(records=records, kept=(1,)), 1)


@pytest.mark.parametrize("fields", [FULL, {**LORA, "lora_dropout": 0.1}], ids=["full", "lora"])
def test_training_again_gives_the_same_change_bit_for_bit(trajectory, tmp_path, fields):
    first = trajectory(fields, folder=tmp_path / "a")
    wanted = changes(first, 3)
    torch.manual_seed(123)
    random.seed(123)
    np.random.seed(123)
    again = changes(trajectory(fields, folder=tmp_path / "b"), 3)

    assert again.keys() == wanted.keys()
    for name, change in wanted.items():
        assert torch.equal(again[name], change), name


def test_stopping_early_or_keeping_less_does_not_change_a_step(trajectory, tmp_path):
    short = changes(trajectory(kept=(3,), folder=tmp_path / "a"), 3)
    long = changes(trajectory(kept=(1, 3, 8), folder=tmp_path / "b"), 3)

    assert all(torch.equal(long[name], short[name]) for name in short)
    assert long.keys() == short.keys()


def test_the_base_and_the_random_states_are_left_alone(base, trajectory):
    config = base.model.config.to_dict()
    tokenizer = base.tokenizer.chat_template, base.tokenizer.padding_side, len(base.tokenizer)
    gradients = [(w.requires_grad, w.grad) for w in base.model.parameters()]
    random.seed(987)
    np.random.seed(987)
    torch.manual_seed(987)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    made = trajectory({**LORA, "gradient_checkpointing": True})
    made.ensure_trained()

    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    base.check_unchanged()
    assert base.model.config.to_dict() == config
    assert not base.model.training
    assert [(w.requires_grad, w.grad) for w in base.model.parameters()] == gradients
    after = base.tokenizer.chat_template, base.tokenizer.padding_side, len(base.tokenizer)
    assert after == tokenizer


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_sent(trajectory, real_run, monkeypatch):
    sent = []
    for variable in ("CI", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)

    def send(*_args, **_kwargs):
        sent.append(True)
        raise AssertionError("telemetry")

    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", send)
    made = trajectory()
    made.ensure_trained()
    assert sent == []

    # TRL's own trainer sends, so this test can fail.
    with pytest.raises(AssertionError, match="telemetry"):
        real_run(made.config, made.data)


def test_nothing_is_written_outside_the_folder(trajectory, tmp_path, monkeypatch, capfd):
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    made = trajectory({**FULL, "output_dir": "mine", "save_strategy": "steps", "save_steps": 1,
                       "logging_steps": 1, "report_to": "tensorboard"}, kept=(1, 3))  # fmt: skip
    capfd.readouterr()
    made.ensure_trained()

    assert list(work.iterdir()) == []
    assert [p for p in temporary.iterdir() if not p.name.startswith("hf_datasets-")] == []
    (own,) = made.folder.iterdir()
    names = sorted(path.name for path in own.iterdir())
    assert names == ["tokens-trained.txt", "update-1.safetensors", "update-3.safetensors"]
    assert capfd.readouterr() == ("", "")


def test_what_is_trained_is_trained_once(trajectory, monkeypatch):
    made = trajectory(kept=(1, 3))
    assert not made.is_trained()
    assert made.num_tokens_trained() == 0
    steps = []
    made.on_step = steps.append
    made.direction(1).prepare()
    made.direction(3).prepare()
    made.ensure_trained()

    assert steps == [1, 2, 3]
    assert made.is_trained()
    assert trajectory(kept=(1, 3)).is_trained()
    assert not trajectory({**FULL, "seed": 3}, kept=(1, 3)).is_trained()
    assert not trajectory(kept=(1, 3), records=TEXTS[1:]).is_trained()


def test_a_kept_step_that_is_not_on_disk_is_trained(trajectory):
    trajectory(kept=(1, 3)).ensure_trained()
    other = trajectory(kept=(2, 3))

    assert not other.is_trained()
    assert changes(other, 2)
    assert other.is_trained()
    other.path(2).unlink()
    assert not other.is_trained()


def test_tokens_are_counted_without_padding(trajectory, base):
    records = [{"text": "x" * length} for length in (5, 10, 20, 40) * 6]
    made = trajectory({**FULL, "max_steps": 6, "per_device_train_batch_size": 4}, (6,), records)
    made.ensure_trained()

    # One epoch of 24 examples; TRL puts an end token behind each.
    assert made.num_tokens_trained() == 6 * (5 + 10 + 20 + 40 + 4)
    estimate = made.estimated_tokens_per_step()
    assert estimate == pytest.approx(made.num_tokens_trained() / 6, rel=0.25)


def test_an_estimate_is_cut_at_the_longest_length(trajectory):
    records = [{"text": "x" * 200}] * 8
    made = trajectory({**FULL, "max_length": 16, "gradient_accumulation_steps": 2}, (1,), records)

    assert made.estimated_tokens_per_step() == 16 * 4 * 2


def test_identity_is_base_config_data_and_step(trajectory, write_config):
    made = trajectory(kept=(1, 3))
    assert made.direction(1).identity() == trajectory(kept=(1,)).direction(1).identity()
    assert made.direction(1).identity() != made.direction(3).identity()
    for other in (
        trajectory({**FULL, "seed": 1}),
        trajectory(records=TEXTS[:-1]),
        replace(made, opened=replace(made.opened, digest="sha256:0")),
    ):
        assert other.direction(3).identity() != made.direction(3).identity()


def test_a_point_on_the_trajectory_is_the_trained_model(base, trajectory, weights_of):
    made = trajectory()
    before, found = weights_of(base.model), changes(made, 3)
    with at_point(base, Point("step 3", (Term(made.direction(3), 1.0),))):
        during = weights_of(base.model)

    assert all(torch.equal(during[n], before[n] + change) for n, change in found.items())


@pytest.mark.parametrize("fields", [FULL, LORA], ids=["full", "lora"])
def test_a_learning_rate_that_diverges_is_an_error(trajectory, fields):
    made = trajectory({**fields, "learning_rate": 1e30, "lr_scheduler_type": "constant"}, (4,))
    with pytest.raises(RunError, match="infinite or NaN; lower the learning rate"):
        made.ensure_trained()
    assert not made.is_trained()
    assert not list(made.folder.rglob("*.safetensors"))


def test_a_run_that_moves_nothing_is_an_error(trajectory):
    # The first step of a warm-up has the learning rate 0.
    with pytest.raises(RunError, match="training moved no weight"):
        trajectory(kept=(1,), fields={**FULL, "warmup_steps": 5}).ensure_trained()


def test_a_plan_of_another_run_is_an_error(trajectory):
    made = trajectory()
    made.plan = replace(made.plan, num_steps=9)
    with pytest.raises(RunError, match="the trainer plans 8 steps and we 9"):
        made.ensure_trained()


def test_a_step_after_the_last_is_an_error(trajectory):
    with pytest.raises(RunError, match="training ended before step 9"):
        trajectory(kept=(9,)).ensure_trained()


def test_a_run_without_steps_is_an_error(trajectory):
    with pytest.raises(ConfigError, match=r"config.yaml: num_train_epochs: .* no step"):
        trajectory({**FULL, "max_steps": -1, "num_train_epochs": 0})


@pytest.mark.parametrize(
    "fields",
    [
        {**FULL, "eos_token": "<nope>"},
        {**FULL, "assistant_only_loss": True},
    ],
)
def test_what_the_trainer_refuses_names_the_config(trajectory, fields):
    with pytest.raises(
        ConfigError, match=r"^config.yaml: with data.jsonl, the trainer refuses them: "
    ):
        trajectory(fields)


def test_modules_that_the_base_lacks_name_the_key(trajectory):
    with pytest.raises(
        ConfigError, match=r"^config.yaml: lora_target_modules: .*nothing.*no layer"
    ):
        trajectory({**LORA, "lora_target_modules": ["nothing"]})


def test_messages_that_the_template_refuses_name_the_data(base, trajectory):
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = "{{ raise_exception('only users here') }}"
    opened = replace(base, tokenizer=tokenizer)
    records = [{"messages": [{"role": "user", "content": "hi"}]}] * 4
    with pytest.raises(DataError, match=r"data.jsonl: line 1: .*only users here"):
        trajectory(opened=opened, records=records)


def test_what_breaks_off_names_the_config(trajectory):
    made = trajectory({**FULL, "optim": "grokadamw"})
    with pytest.raises(
        ConfigError, match=r"^config.yaml: the trainer refuses to start: .*grokadamw"
    ):
        made.ensure_trained()


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_that_counts_as_trained(base, trajectory):
    made = trajectory(kept=(1, 3))

    def interrupt(step):
        if step == 2:
            raise KeyboardInterrupt

    made.on_step = interrupt
    with pytest.raises(KeyboardInterrupt):
        made.ensure_trained()
    assert not made.is_trained()
    base.check_unchanged()
    made.on_step = lambda _step: None
    wanted = changes(trajectory(kept=(1, 3), folder=made.folder.parent / "fresh"), 3)
    assert all(torch.equal(wanted[n], change) for n, change in changes(made, 3).items())


def test_a_full_disk_goes_through_as_it_is(trajectory, monkeypatch):
    made = trajectory()

    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("driftline.models.trainer._trajectory.store_direction", fail)
    with pytest.raises(OSError, match="No space left"):
        made.ensure_trained()
    assert not made.is_trained()


def test_an_adapter_that_unties_what_the_base_ties_is_refused(trajectory, open_family):
    tied = open_family("llama-tied")
    for fields in ({"lora_modules_to_save": ["lm_head"]}, {"target_modules": ["embed_tokens"]}):
        with pytest.raises(
            ConfigError, match=f"{next(iter(fields))}: embedding and head .* one weight"
        ):
            trajectory({**LORA, **fields}, opened=tied)
    assert changes(trajectory(LORA, opened=tied), 3)
    assert "model.embed_tokens.weight" in changes(trajectory(FULL, opened=tied), 3)
    tied.check_unchanged()


def test_a_model_on_disk_is_not_written_to(model_folder, trajectory, tmp_path):
    folder = Path(shutil.copytree(model_folder, tmp_path / "own"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    trajectory(opened=open_model(str(folder))).ensure_trained()

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


FROZEN = ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj")


def test_frozen_modules_stay_and_the_others_train(base, trajectory):
    whole = trajectory()
    made = replace(whole, frozen=FROZEN)
    found, free = changes(made, 3), changes(whole, 3)

    held = {f"{name}.weight" for name in FROZEN}
    assert set(free) - set(found) == held
    assert any(not torch.equal(found[name], free[name]) for name in found)
    assert all(weight.requires_grad for weight in base.model.parameters())


def test_what_is_frozen_is_part_of_the_identity(trajectory):
    whole = trajectory()
    made = replace(whole, frozen=FROZEN)
    identities = [
        replace(whole, frozen=frozen).direction(3).identity()
        for frozen in ((), FROZEN, FROZEN[:1], FROZEN[::-1])
    ]
    assert identities[0] == whole.direction(3).identity()
    assert identities[1] == identities[3]
    assert identities[0] != identities[1] != identities[2] != identities[0]
    whole.ensure_trained()
    assert not made.is_trained()


def test_freezing_what_is_not_there_or_under_an_adapter_is_refused(trajectory):
    with pytest.raises(
        ConfigError, match=r"config.yaml: frozen_modules: the model has no module nowhere"
    ):
        replace(trajectory(), frozen=("nowhere",)).ensure_trained()
    with pytest.raises(ConfigError, match="frozen_modules: is for full fine-tuning only"):
        replace(trajectory(LORA), frozen=FROZEN).ensure_trained()


def test_a_run_can_be_ended_on_the_way_with_its_changes_at_hand(trajectory):
    made, asked = trajectory(FULL, kept=(2, 5)), []

    def goes_on(step: int) -> bool:
        asked.append((step, made.path(2).exists()))
        return step < 3

    made.goes_on = goes_on
    outcome = made.train()
    assert not outcome.is_whole
    assert asked == [(1, False), (2, True), (3, True)]
    assert not made.is_trained()
    with pytest.raises(RunError, match="training ended before step 5"):
        made.ensure_trained()
    made.goes_on = lambda _step: True
    whole = made.train()
    assert whole.is_whole
    assert whole.num_tokens == made.num_tokens_trained() > outcome.num_tokens
    made.discard()
    assert not made.path(2).exists()
    assert not made.is_trained()


DROPOUT = {**LORA, "lora_dropout": 0.3}


def scoring(made: Trajectory, seen: list[int], enough: int | None):
    """Score at a kept step as a look does, and draw random numbers; enough from some step on."""

    def is_enough(step: int) -> bool:
        seen.append(step)
        assert made.path(step).exists()
        assert set(changes(made, step))
        _ = torch.rand(3), random.random(), np.random.random()
        tokens = made.opened.tokenizer("a look at the run", return_tensors="pt")["input_ids"]
        made.opened.model(tokens)
        return enough is not None and step >= enough

    return is_enough


@pytest.mark.slow
@pytest.mark.parametrize(("enough", "asked", "kept"), [
    (1, [1], (1,)), (2, [1, 3], (1, 3)), (3, [1, 3], (1, 3)), (None, [1, 3], (1, 3, 5)),
    (5, [1, 3], (1, 3, 5)),
])  # fmt: skip
@pytest.mark.parametrize("fields", [FULL, DROPOUT], ids=["full", "dropout"])
def test_training_ends_at_the_first_kept_step_that_is_enough(
    trajectory, tmp_path, fields, enough, asked, kept
):
    made, seen = trajectory(fields, kept=(1, 3, 5)), []
    made.end_where(scoring(made, seen, enough))
    outcome = made.train()
    assert outcome.is_whole
    assert seen == asked
    assert made.kept_steps == kept
    assert made.is_trained()
    assert outcome.num_tokens == made.num_tokens_trained()
    assert [made.path(step).exists() for step in (1, 3, 5)] == [step in kept for step in (1, 3, 5)]
    # Looking changes nothing: every change is that of a run that nobody looked at.
    plain = trajectory(fields, kept=(1, 3, 5), folder=tmp_path / "plain")
    plain.ensure_trained()
    for step in kept:
        mine, theirs = changes(made, step), changes(plain, step)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    # Trained once: nothing is asked or trained again.
    made.ensure_trained()
    assert seen == asked


def test_another_process_finds_the_same_end(trajectory):
    first, seen = trajectory(FULL, kept=(1, 3, 5)), []
    first.end_where(scoring(first, seen, 3))
    first.ensure_trained()
    again, asked = trajectory(FULL, kept=(1, 3, 5)), []
    again.end_where(scoring(again, asked, None))
    assert again.kept_steps == (1, 3)
    assert again.is_trained()
    again.ensure_trained()
    assert asked == []
    # A trajectory whose end was never asked for trains on.
    plain = trajectory(FULL, kept=(1, 3, 5))
    assert not plain.is_trained()
    plain.ensure_trained()
    assert plain.path(5).exists()


@pytest.mark.parametrize("at", ["before the end is known", "after the end is known"])
def test_a_run_that_is_cut_off_finds_its_end_again(trajectory, monkeypatch, at):
    made, seen = trajectory(FULL, kept=(1, 3, 5)), []
    asking = scoring(made, seen, 3)

    def cut_off(step: int) -> bool:
        if at.startswith("before") and step == 3:
            raise KeyboardInterrupt
        return asking(step)

    made.end_where(cut_off)
    if at.startswith("after"):
        monkeypatch.setattr(Trajectory, "_drop_after", interrupt)
    with pytest.raises(KeyboardInterrupt):
        made.ensure_trained()
    monkeypatch.undo()
    again, asked = trajectory(FULL, kept=(1, 3, 5)), []
    again.end_where(scoring(again, asked, 3))
    assert not again.is_trained()
    again.ensure_trained()
    assert again.kept_steps == (1, 3)
    assert asked == ([1, 3] if at.startswith("before") else [1])
    assert again.is_trained()


def interrupt(*_args: object) -> None:
    raise KeyboardInterrupt
