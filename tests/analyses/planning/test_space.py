"""Which configs and levers settings stand for, and how each is taken back."""

from dataclasses import replace

import pytest

from driftline.analyses.planning._space import LORA_RATE, PlanSpace
from driftline.models import TrainingConfig, TrainingPlan

FULL = TrainingConfig("full.yaml", {"learning_rate": 1e-4, "num_train_epochs": 3}, "sha256:0")
LORA = TrainingConfig(
    "lora.yaml",
    {"learning_rate": 1e-3, "use_peft": True, "r": 8, "lora_alpha": 32, "weight_decay": 0.1},
    "sha256:0",
)
PLANS = {1.0: TrainingPlan(10, (1e-4,) * 10), 0.5: TrainingPlan(5, (1e-4,) * 5)}


def _space(config, methods, rank=16, decay=0.0):
    choices = {
        "method": methods,
        "steps": (1.0, 0.5),
        "rank": (rank, 64),
        "weight_decay": (decay, 0.3),
        "kl_to_base": (0.0, 0.1, 1.0),
        "replay_share": (0.0, 0.05),
        "entropy_gate": (False, True),
    }
    return PlanSpace(config, PLANS, choices, ("down_proj", "up_proj"))


@pytest.fixture
def full():
    return _space(FULL, ("full", "lora", "lora_mlp", "osf")).with_fragile(("a.b", "c.d"))


@pytest.fixture
def lora():
    return _space(LORA, ("lora", "full", "lora_mlp"), rank=8, decay=0.1)


@pytest.mark.parametrize("space", ["full", "lora"])
def test_plain_is_the_users_own_run(space, request):
    space = request.getfixturevalue(space)
    candidate = space.candidate(space.plain)
    assert candidate.config is space.config
    assert candidate.levers.to_values() == {}
    assert candidate.num_steps == 10
    assert space.words(space.plain) == ()
    assert space.first()[0] == space.plain


def test_the_first_trials_hold_each_lever_that_was_best_somewhere(full):
    space = replace(full, choices={**full.choices, "l2_pull": (0.0, 1.0)})
    first = space.first()
    for lever in ("kl_to_base", "replay_share", "l2_pull"):
        assert any(settings.get(lever) for settings in first), lever
    assert len({tuple(sorted(settings.items())) for settings in first}) == len(first)


def test_lora_takes_ten_times_the_rate_of_full_fine_tuning(full, lora):
    there = full.candidate(full.of_method("lora", {})).config.values
    assert there["learning_rate"] == pytest.approx(1e-4 * LORA_RATE)
    assert (there["use_peft"], there["lora_r"], there["lora_alpha"]) == (True, 16, 32)
    back = lora.candidate(lora.of_method("full", {})).config
    assert back.values == {"learning_rate": pytest.approx(1e-4), "weight_decay": 0.1}
    assert not back.uses_peft


def test_another_rank_keeps_alpha_over_rank_and_speaks_with_one_voice(lora):
    values = lora.candidate({**lora.plain, "rank": 64}).config.values
    assert (values["lora_r"], values["lora_alpha"]) == (64, 256)
    assert "r" not in values


def test_each_lever_reaches_the_run(full):
    settings = full.of_method(
        "full",
        {"rate": 0.5, "steps": 0.5, "protected": "slowed", "kl_to_base": 1.0, "entropy_gate": True},
    )
    candidate = full.candidate(settings)
    assert candidate.config.values == {"learning_rate": 5e-5, "max_steps": 5}
    assert candidate.levers.to_values() == {
        "slowed_modules": {"a.b": 0.1, "c.d": 0.1},
        "kl_to_base": 1.0,
        "entropy_gate": True,
    }
    frozen = full.candidate({**settings, "protected": "frozen"}).levers
    assert frozen.frozen_modules == ("a.b", "c.d")
    mlp = full.candidate(full.of_method("lora_mlp", {"weight_decay": 0.3})).config.values
    assert mlp["lora_target_modules"] == ["down_proj", "up_proj"]
    assert mlp["weight_decay"] == 0.3
    assert full.candidate(full.of_method("osf", {})).levers.osf_rank == 0.5


def test_levers_are_switched_back_one_at_a_time(full):
    settings = full.of_method("lora", {"rate": 0.5, "weight_decay": 0.3, "kl_to_base": 0.1})
    without = full.without(settings)
    assert set(without) == {"rate", "method", "weight_decay", "kl_to_base"}
    assert without["kl_to_base"] == {**settings, "kl_to_base": 0.0}
    # What only LoRA has goes with it; the rest stays.
    assert without["method"] == full.of_method("full", {"rate": 0.5, "kl_to_base": 0.1})
    assert full.without(full.plain) == {}


def test_people_read_exact_values_and_what_was_there(full):
    settings = full.of_method("lora", {"rate": 0.5, "steps": 0.5, "weight_decay": 0.3})
    said = [(s.lever, s.value, s.plain) for s in full.words(settings, scale=0.75)]
    assert said == [
        ("method", "LoRA", "full fine-tuning"),
        ("learning rate", "0.0005", "0.001"),
        ("steps", "5", "10"),
        ("LoRA weight decay", "0.3", "0"),
        ("scale of the update", "0.75", "1"),
    ]


def test_what_a_method_has_no_use_for_is_not_asked(full):
    class First:
        """Takes the first of all choices, and a method."""

        def __init__(self, method):
            self.method, self.asked = method, []

        def suggest_float(self, name, low, high, *, log):
            assert 0 < low < 1 < high
            return 1.0

        def suggest_categorical(self, name, choices):
            self.asked.append(name)
            return self.method if name == "method" else choices[0]

    sampler = First("osf")
    settings = full.suggest(sampler)
    assert not {"rank", "weight_decay", "protected"} & set(settings)
    assert First("full").method == "full"
    assert "protected" in full.suggest(First("full"))
    assert full.suggest(First("full")) == full.plain


def test_a_step_from_the_best_moves_one_lever_and_the_rate_first(full):
    moves = list(full.moves(full.plain))
    assert moves[0] == {**full.plain, "rate": 3.0}
    for move in moves[:-1]:
        assert sum(move[lever] != choice for lever, choice in full.plain.items()) == 1
    assert {**full.plain, "replay_share": 0.05} in moves
    assert {**full.plain, "protected": "frozen"} in moves
    assert moves[-1]["method"] == "lora_mlp"


def test_a_step_goes_nowhere_beyond_the_ends_nor_where_it_is(full):
    best = {**full.plain, "rate": 3.0, "replay_share": 0.05}
    moves = list(full.moves(best))
    assert best not in moves
    assert all(0.1 <= move["rate"] <= 3.0 for move in moves)
    assert [move["rate"] for move in moves if move["rate"] != 3.0] == [1.5, 1.0]


def test_a_step_from_a_third_of_the_rate_is_the_users_own_not_one_beside_it(full):
    assert next(iter(full.moves({**full.plain, "rate": 0.3333}))) == full.plain


def test_the_pull_shrinks_an_update_alike_at_every_rate_and_length():
    choices = {"method": ("full", "lora"), "steps": (1.0, 0.5), "l2_pull": (0.0, 1.0)}
    choices |= {"rank": (16,), "weight_decay": (0.0,)}
    space = PlanSpace(FULL, PLANS, choices, ())
    for rate, steps in ((1.0, 1.0), (3.0, 1.0), (1.0, 0.5)):
        settings = {**space.plain, "l2_pull": 1.0, "rate": rate, "steps": steps}
        candidate = space.candidate(settings)
        summed = candidate.config.learning_rate * candidate.num_steps
        assert candidate.levers.l2_to_base * summed == pytest.approx(1.0, rel=0.01)
    assert {move["method"] for move in space.moves(space.plain)} == {"full"}
    # An adapter has weight decay instead.
    assert "l2_pull" not in space.of_method("lora", {"l2_pull": 1.0})
