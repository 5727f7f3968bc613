"""What may not change a score: how items are batched, ordered and padded, and how an adapter is held.

Whole capabilities go in and item values come out, as a user's do. In float32 they agree within
1e-4 nats, the tolerance that design/scores.md states; tests/models/ has the same one room below.
"""

import copy
import dataclasses
import random

import peft
import pytest
import torch

from driftline.capabilities import Capability, Cloze, MinimalPair, MultipleChoice, Passage
from driftline.engine import LocalEngine, ResultStore
from driftline.models import BASE, Point, ScoringOptions, Term
from tests.directions import open_tuned

TOLERANCE_NATS = 1e-4
CHOOSER = random.Random(0)


def words():
    """A text of 3 to 22 words."""
    chosen = (
        CHOOSER.choice(("rain", "a", "seventeen", "of")) for _ in range(CHOOSER.randint(3, 22))
    )
    return " ".join(chosen)


CAPABILITIES = (
    Capability("pairs", "minimal_pair", "margin_nats", 0.25, tuple(
        MinimalPair(id=f"p{i}", good=f"{text} a", bad=f"{text} e")
        for i, text in enumerate(words() for _ in range(6))
    )),
    Capability("choices", "multiple_choice", "margin_nats", 0.25, tuple(
        MultipleChoice(id=f"c{i}", prompt=f"Say this: {words()}", choices=(" a", " e", " s"), answer=1)
        for i in range(6)
    )),
    Capability("clozes", "cloze", "nll_nats", 0.25, tuple(
        Cloze(id=f"l{i}", prompt=f"Say this: {words()}", completion=f" {words()}") for i in range(6)
    )),
    Capability("texts", "perplexity", "nll_nats", 0.25, tuple(
        Passage(id=f"t{i}", text=f"{words()} {words()}") for i in range(6)
    )),
)  # fmt: skip


@pytest.fixture
def values(tmp_path):
    """Every item's value by name, scored by an engine with a store of its own."""
    numbers = iter(range(1000))

    def score(opened, point=BASE, capabilities=CAPABILITIES, **options):
        with ResultStore(tmp_path / f"{next(numbers)}.sqlite") as store:
            engine = LocalEngine(opened, store, ScoringOptions(bfloat16=False, **options))
            table = engine.evaluate((point,), capabilities)
        return {
            (capability.name, item.id): value
            for capability in capabilities
            for item, value in zip(
                capability.items, table.values(point, capability).tolist(), strict=True
            )
        }

    return score


@pytest.fixture
def adapted(opened, tmp_path):
    """The model with a LoRA on it that is not merged, and the folder of that LoRA."""
    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(copy.deepcopy(opened.model), config).eval()
    folder = tmp_path / "adapter"
    model.save_pretrained(folder)
    return dataclasses.replace(opened, model=model.base_model.model), folder


def same(found, wanted):
    assert found == pytest.approx(wanted, abs=TOLERANCE_NATS, rel=0)
    # They would agree if all were alike, too.
    assert len({round(value, 2) for value in wanted.values()}) > 15


@pytest.mark.parametrize("batch_tokens", [1, 50, 200, 100_000])
def test_batch_size(values, opened, batch_tokens):
    same(values(opened, batch_tokens=batch_tokens), values(opened))


def test_prefix_reuse(values, opened):
    same(values(opened, prefix_reuse=False), values(opened))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("prefix_reuse", [True, False])
def test_padding_side(values, opened, monkeypatch, side, prefix_reuse):
    wanted = values(opened)
    monkeypatch.setattr(opened.tokenizer, "padding_side", side)
    same(values(opened, prefix_reuse=prefix_reuse), wanted)


def test_item_order(values, opened):
    shuffled = tuple(
        dataclasses.replace(c, items=tuple(random.Random(1).sample(c.items, len(c.items))))
        for c in reversed(CAPABILITIES)
    )
    same(values(opened, capabilities=shuffled), values(opened))


def test_items_beside_it(values, opened):
    wanted = values(opened)
    halves = [
        tuple(dataclasses.replace(c, items=c.items[start::2]) for c in CAPABILITIES)
        for start in (0, 1)
    ]
    alone = values(opened, capabilities=halves[0]) | values(opened, capabilities=halves[1])
    same(alone, wanted)


@pytest.mark.parametrize("prefix_reuse", [True, False])
def test_an_adapter_merged_or_beside(values, opened, adapted, prefix_reuse):
    beside, folder = adapted
    point = Point("adapter", (Term(open_tuned(folder, opened), 1.0),))

    merged = values(opened, point, prefix_reuse=prefix_reuse)
    same(merged, values(beside, prefix_reuse=prefix_reuse))
    assert merged != pytest.approx(values(opened), abs=0.1)
    opened.check_unchanged()
