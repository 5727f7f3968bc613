"""Replay takes the place of examples; steps, batches and the base stay what they were."""

import json
from dataclasses import replace

import pytest
import torch

from driftline.errors import ConfigError, DataError
from driftline.models import (
    Levers,
    ScoringOptions,
    plan_training,
    read_training_data,
    with_replay,
    write_training_data,
)
from driftline.models.scoring._generation import sample_texts
from driftline.models.trainer.levers._replay import mean_tokens, self_replay
from tests.models.runs import FULL, TEXTS
from tests.models.trainer.test_trajectory import changes

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello there"}]
LAYOUTS = {
    "text": TEXTS,
    "prompt_completion": [{"prompt": "one and one is ", "completion": "two"}] * 24,
    "messages": [{"messages": CHAT}] * 24,
    "chat_completion": [{"prompt": CHAT[:1], "completion": CHAT[1:]}] * 24,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_base_writes_replay_in_the_layout_of_the_data(
    base, write_config, write_data, tmp_path, layout
):
    data, config = write_data(LAYOUTS[layout]), write_config(**FULL)
    state = torch.get_rng_state()
    levers = Levers(replay_share=0.25)
    mixed = with_replay(base, config, data, levers=levers, num_steps=8)
    assert torch.equal(torch.get_rng_state(), state)
    pairs = zip(mixed.examples, data.examples, strict=True)
    changed = [found for found, before in pairs if found != before]
    assert len(mixed.examples) == 24
    assert len(changed) == 6
    assert mixed.digest != data.digest
    again = with_replay(base, config, data, levers=levers, num_steps=8)
    assert again == mixed
    other = with_replay(base, config.with_values(seed=1), data, levers=levers, num_steps=8)
    assert other.examples != mixed.examples
    # What comes out is training data by the same rules, and trains.
    write_training_data(mixed, tmp_path / "mixed.jsonl")
    read = read_training_data(tmp_path / "mixed.jsonl")
    assert (read.examples, read.digest) == (mixed.examples, mixed.digest)
    assert plan_training(base, config, mixed).num_steps == 8


def test_what_is_written_is_as_long_as_the_data_and_no_more_than_the_run_sees(
    base, write_config, write_data
):
    data, config = write_data(TEXTS * 20), write_config(**FULL)
    mixed = with_replay(base, config, data, levers=Levers(replay_share=0.25), num_steps=4)
    known = {each["text"] for each in TEXTS}
    replay = [each["text"] for each in mixed.examples if each["text"] not in known]
    assert len(replay) == 120
    assert 2 <= len(set(replay)) <= 4
    lengths = [len(base.tokenizer(text)["input_ids"]) for text in set(replay)]
    assert max(lengths) <= 3 * mean_tokens(base, data)


def test_texts_are_a_sample_of_the_bases_own_distribution(base):
    with torch.no_grad():
        probabilities = base.model(torch.tensor([[256]])).logits[0, -1].softmax(-1)
    texts = sample_texts(
        base, [(256,)] * 2000, ScoringOptions(bfloat16=False), max_new_tokens=1, seed=0
    )
    letters = {base.tokenizer.decode([i]): float(probabilities[i]) for i in range(256)}
    likeliest = sorted((p, letter) for letter, p in letters.items() if letter.isascii())[-5:]
    for probability, letter in likeliest:
        error = (probability * (1 - probability) / 2000) ** 0.5
        assert abs(texts.count(letter) / 2000 - probability) < 4 * error, letter


def test_the_base_writes_as_many_texts_as_are_asked_for(base, write_config, write_data):
    config, data = write_config(**FULL), write_data([{"text": "ab"}] * 4)
    texts = [each["text"] for each in self_replay(base, config, data, 70)]
    assert len(texts) == 70
    assert len(set(texts)) > 60


def test_a_file_of_replay_takes_their_place(base, write_config, write_data, tmp_path):
    data, config = write_data(TEXTS), write_config(**FULL)
    path = tmp_path / "replay.jsonl"
    path.write_text("".join(json.dumps({"text": f"kept {i}"}) + "\n" for i in range(4)))
    levers = Levers(replay_share=0.25, replay_source=str(path))
    mixed = with_replay(base, config, data, levers=levers, num_steps=8)
    kept = [each["text"] for each in mixed.examples if each["text"].startswith("kept")]
    assert len(kept) == 6
    assert set(kept) == {f"kept {i}" for i in range(4)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("more", [{}, {"packing": True, "max_steps": -1, "num_train_epochs": 2}])
def test_the_run_has_as_many_steps_as_without(trajectory, more):
    made = trajectory({**FULL, **more}, kept=(1,))
    last = made.plan.num_steps
    made = replace(made, kept_steps=(last,), levers=Levers(replay_share=0.25))
    assert changes(made, last)


def test_nothing_is_replayed_by_default(base, write_config, write_data):
    data = write_data(TEXTS)
    assert with_replay(base, write_config(**FULL), data, levers=Levers(), num_steps=8) is data


def test_what_cannot_be_replayed_is_refused(base, write_config, write_data, tmp_path):
    data, config = write_data(TEXTS), write_config(**FULL)
    with pytest.raises(ConfigError, match=r"0\.01 of 24 examples is 0; it must leave and replace"):
        with_replay(base, config, data, levers=Levers(replay_share=0.01), num_steps=8)
    path = tmp_path / "replay.jsonl"
    levers = Levers(replay_share=0.25, replay_source=str(path))
    with pytest.raises(DataError, match=r"replay.jsonl: cannot be read"):
        with_replay(base, config, data, levers=levers, num_steps=8)
    path.write_text(json.dumps({"messages": CHAT}) + "\n")
    with pytest.raises(ConfigError, match=r"has messages where data.jsonl has text"):
        with_replay(base, config, data, levers=levers, num_steps=8)


def test_a_base_without_a_chat_template_writes_no_chat(base, write_config, write_data, monkeypatch):
    monkeypatch.setattr(base.tokenizer, "chat_template", None)
    data = write_data([{"messages": CHAT}] * 8)
    with pytest.raises(ConfigError, match="has no chat template to write a chat by; give a file"):
        with_replay(base, write_config(**FULL), data, levers=Levers(replay_share=0.25), num_steps=8)
