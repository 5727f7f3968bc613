"""Repair of a tiny model that learned a task and was damaged in one place."""

import json
from dataclasses import replace

import pytest
import torch

from driftline.analyses import RepairRequest, repair
from driftline.analyses.repairing import _repair as module
from driftline.analyses.repairing import _scale_search as search_module
from driftline.capabilities import Capability, Suite
from driftline.engine import LocalEngine, RunFolder
from driftline.errors import ConfigError, ModelError, OutputError
from driftline.models import open_tuned_model, read_training_data
from driftline.results import Repair
from tests import adapters, tiny
from tests.known_pairs import known_pairs

NUM = 360
DAMAGED = "model.layers.0.self_attn"


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sums.jsonl"
    records = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(40)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_training_data(path)


@pytest.fixture(scope="module")
def suite(opened):
    pairs = Capability("pairs", "minimal_pair", "accuracy", 0.15, known_pairs(opened, NUM))
    return Suite("known", (pairs,))


@pytest.fixture(scope="module")
def tuned(sums, tmp_path_factory):
    """Trained on the sums in the upper layer, and moved at random in one block of the lower one."""
    model, tokenizer = tiny.model(), tiny.tokenizer()
    for name, weight in model.named_parameters():
        weight.requires_grad_("layers.1" in name)
    texts = [e["prompt"] + e["completion"] for e in sums.examples]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.Adam([w for w in model.parameters() if w.requires_grad], lr=1e-3)
    for _ in range(10):
        optimizer.zero_grad()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith(DAMAGED):
                weight.add_(torch.randn_like(weight))
    folder = tmp_path_factory.mktemp("tuned") / "tuned"
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def one_family(monkeypatch):
    """Enough where what is tested is not the search."""
    families = {"interpolation": search_module.FAMILIES["interpolation"]}
    monkeypatch.setattr(search_module, "FAMILIES", families)


def _ask(request, path):
    with RunFolder.open(path, "repair", outputs=(), force=False) as folder:
        return repair(request, folder)


@pytest.fixture(scope="module")
def asked(opened, tuned, suite, sums):
    return RepairRequest(opened, tuned, (suite,), data=sums, num_search_items=180)


@pytest.fixture(scope="module")
def answer(asked, tmp_path_factory):
    path = tmp_path_factory.mktemp("repair") / "out"
    return _ask(asked, path), path


@pytest.mark.slow
def test_damage_in_one_place_is_given_back_at_next_to_no_cost(answer):
    found, _path = answer
    assert found.recovery.lost == ("pairs",)
    assert found.recovery.given_back > 0.6
    assert found.target.tuned_gain > 0
    assert found.target.gain_share > 0.9
    scales = {cell.cell: cell.scale for cell in found.scales}
    assert scales["layer 0 attention"] < 0.5
    assert set(scales) == {"layer 0 attention", "layer 1 MLP", "layer 1 attention"}


def test_the_document_holds_the_search_and_comes_back_equal(answer):
    found, _path = answer
    assert Repair.from_json(found.to_json()) == found
    assert found.chosen in found.looks
    assert [(look.family, look.label) for look in found.looks[:2]] == [
        ("ends", "tuned"),
        ("ends", "base"),
    ]
    assert sum(family.num_points for family in found.families) == len(found.looks)
    assert any(look.is_on_front for look in found.looks)
    assert found.claims[0].capability == "pairs"
    # What chose is no part of what is claimed.
    assert found.claims[0].num_items == NUM - 180


def test_what_is_written_is_what_is_claimed(answer, opened):
    found, path = answer
    output = path / found.output.folder
    assert found.output.kind == "model"
    reopened = open_tuned_model(str(output), opened)
    assert module.digest_at(opened, reopened.point) == found.output.digest
    said = json.loads((output / "driftline-repair.json").read_text())
    assert said["scales"] == {cell.cell: cell.scale for cell in found.scales}
    assert not (path / "repaired.partial").exists()
    opened.check_unchanged()


@pytest.mark.slow
def test_a_second_process_scores_nothing_again(answer, asked, monkeypatch):
    found, path = answer
    pending_seen = []
    compute = LocalEngine._compute

    def counted(engine, pending):
        pending_seen.extend(pending)
        return compute(engine, pending)

    monkeypatch.setattr(LocalEngine, "_compute", counted)
    again = _ask(asked, path)
    assert pending_seen == []
    assert (again.looks, again.claims, again.verdict) == (found.looks, found.claims, found.verdict)
    assert again.output == found.output


@pytest.mark.usefixtures("one_family")
def test_an_adapter_stays_one_and_needs_no_target(opened, suite, tmp_path):
    folder, _merged = adapters.save_both(
        tmp_path, tiny.model(), target_modules=["q_proj", "up_proj"]
    )
    adapters.say(tmp_path / "adapter", base_model_name_or_path="some/model")
    (pairs,) = suite.capabilities
    copies = tuple(item.model_copy(update={"id": f"{item.id}x"}) for item in pairs.items[:20])
    doubled = Suite("known", (replace(pairs, items=(*pairs.items, *copies)),))
    found = _ask(RepairRequest(opened, folder, (doubled,), num_search_items=20), tmp_path / "out")
    assert found.caveats[0].startswith(
        "Items that the model cannot tell apart count once: of pairs 20"
    )
    assert found.caveats[1].startswith("The adapter names 'some/model' as its base")
    assert found.claims[0].num_items < len(pairs.items)
    assert found.output.kind == "adapter"
    assert found.target is None
    assert any("Without --data" in caveat for caveat in found.caveats)
    assert all(look.target_gain is None for look in found.looks)


@pytest.mark.usefixtures("one_family")
def test_where_only_the_base_will_do_nothing_is_written(opened, suite, tmp_path):
    model = tiny.model()
    torch.manual_seed(1)
    with torch.no_grad():
        model.lm_head.weight.add_(torch.randn_like(model.lm_head.weight), alpha=5.0)
    model.save_pretrained(tmp_path / "tuned")
    # What an earlier repair left must not outlive its report.
    earlier = tmp_path / "out" / "repaired"
    earlier.mkdir(parents=True)
    (earlier / "driftline-repair.json").write_text("{}")
    strict = Suite("strict", (replace(suite.capabilities[0], tolerance=1e-6),))
    with RunFolder.open(tmp_path / "out", "repair", outputs=(), force=True) as folder:
        found = repair(RepairRequest(opened, str(tmp_path / "tuned"), (strict,)), folder)
    assert (found.chosen.label, found.output, found.verdict) == ("base", None, "fail")
    assert "only the base itself" in found.reasons[0]
    assert not earlier.exists()


def test_what_another_program_left_is_not_overwritten(asked, tmp_path):
    (tmp_path / "out" / "repaired").mkdir(parents=True)
    (tmp_path / "out" / "repaired" / "mine.txt").write_text("mine")
    with (
        RunFolder.open(tmp_path / "out", "repair", outputs=(), force=True) as folder,
        pytest.raises(OutputError, match="not written by a repair"),
    ):
        repair(asked, folder)
    assert (tmp_path / "out" / "repaired" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_cost": 0.05, "data": None}, "--max-cost: is a share of the target's gain"),
        ({"max_cost": 5.0}, "--max-cost: 5 must lie between 0 and 1"),
        ({"num_search_items": 1}, "--search-items: 1 is too few"),
        ({"alpha": 0.7}, "--alpha"),
    ],
)
def test_options_that_cannot_be_met_are_refused_before_anything_is_scored(
    asked, tmp_path, fields, message
):
    with pytest.raises(ConfigError, match=message):
        _ask(replace(asked, **fields), tmp_path / "out")


def test_a_suite_that_requires_nothing_is_refused(asked, suite, tmp_path):
    watched = Suite("watched", (replace(suite.capabilities[0], required=False),))
    with pytest.raises(ConfigError, match="no capability is required"):
        _ask(replace(asked, suites=(watched,)), tmp_path / "out")


def test_the_base_itself_has_nothing_to_repair(asked, model_folder, tmp_path):
    with pytest.raises(ModelError, match="no matrix differs from the base's"):
        _ask(replace(asked, tuned=str(model_folder)), tmp_path / "out")
