"""Certification of tiny models: what passes, what does not, and what is refused."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from driftline.analyses import CertifyRequest, certify
from driftline.analyses.certification import _certify as module
from driftline.analyses.certification import has_same_weights, is_same_model
from driftline.capabilities import Capability, Cloze, MinimalPair, MultipleChoice, Suite
from driftline.certificates import claim_faults, read_certification
from driftline.engine import RunFolder
from driftline.errors import ConfigError, ModelError, RunError, SuiteError
from driftline.models import Scorer, digest_at, open_model, open_tuned_model
from driftline.report.terminal import certification_summary
from driftline.results import Certification, CertificationPolicy, PolicyRule
from tests import adapters, architectures, tiny
from tests.known_pairs import known_pairs

NUM = 60


@pytest.fixture(scope="module")
def pairs(opened):
    return Capability("pairs", "minimal_pair", "accuracy", 0.1, known_pairs(opened, NUM))


@pytest.fixture
def ask(opened, tmp_path):
    def certified(tuned, *capabilities, out="out", **fields):
        suite = Suite("known", capabilities)
        with RunFolder.open(tmp_path / out, str(tuned), outputs=(), force=False) as folder:
            return certify(CertifyRequest(opened, str(tuned), (suite,), **fields), folder)

    return certified


@pytest.fixture
def save_moved(tmp_path):
    """Saves the tiny model with its weights changed."""

    def save(change, name="moved", tokenizer=None):
        model = tiny.model()
        torch.manual_seed(1)
        with torch.no_grad():
            change(model)
        model.save_pretrained(tmp_path / name)
        (tokenizer or tiny.tokenizer()).save_pretrained(tmp_path / name)
        return tmp_path / name

    return save


def noisy(std):
    def change(model):
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=std)

    return change


def without_times(found):
    document = json.loads(found.to_json())
    del document["cost"]["wall_seconds"], document["provenance"]["created"]
    return document


def test_the_base_against_itself_is_identical_and_passes_with_any_items(
    ask, opened, pairs, model_folder
):
    found = ask(model_folder, pairs)
    assert found.verdict == "pass"
    assert found.claims[0].verdict == found.claims[0].adjusted_verdict == "non_inferior"
    assert (found.claims[0].change, found.guards.num_items_moved) == (0.0, 0)
    assert found.guards.tuned_is_base
    assert "The tuned model is the base" in found.caveats[0]
    assert found.provenance.tuned_digest == found.provenance.base_model.digest == opened.digest
    assert {f.name for f in found.provenance.tuned.files} == {
        f.name for f in model_folder.iterdir()
    }
    assert found.provenance.base.files == found.provenance.tuned.files
    (noise,) = found.guards.noise
    assert (noise.num_items, noise.largest_difference) == (module._NUM_REPEATED, 0.0)
    assert Certification.from_json(found.to_json()) == found

    few = replace(pairs, items=pairs.items[:2])
    guessed = tuple(
        MinimalPair(id=p.id, good=p.bad, bad=p.good) if i % 2 else p
        for i, p in enumerate(pairs.items)
    )
    texts = Capability(
        "texts", "cloze", "nll_nats", 0.5,
        tuple(Cloze(id=str(i), prompt=f"day {i}", completion=" it rained") for i in range(2)),
    )  # fmt: skip
    found = ask(
        model_folder, few, texts, replace(pairs, name="at chance", items=guessed),
        out="few", sequential=True,
    )  # fmt: skip
    assert found.verdict == "pass"
    assert {c.basis for c in found.claims} == {"identical"}
    assert certification_summary(found).startswith("PASS: identical: the tuned weights are the")
    assert claim_faults(read_certification(json.loads(found.to_json()))) == ()


def test_a_tower_that_moved_beside_equal_weights_is_named_and_not_called_identical(tmp_path):
    whole, tower = architectures.text_of_wrapper("qwen3_5")
    for name in ("base", "tuned"):
        whole.save_pretrained(tmp_path / name)
        tiny.tokenizer().save_pretrained(tmp_path / name)
        architectures.nudged(whole, tower)
    opened = open_model(str(tmp_path / "base"))
    asked = Capability("pairs", "minimal_pair", "accuracy", 0.1, known_pairs(opened, 10))
    for name in ("base", "tuned"):
        with RunFolder.open(tmp_path / "o" / name, name, outputs=(), force=False) as folder:
            request = CertifyRequest(opened, str(tmp_path / name), (Suite("known", (asked,)),))
            found = certify(request, folder)
        assert found.guards.tuned_is_base == (name == "base")
        assert found.claims[0].basis == ("identical" if name == "base" else "test")
        assert found.claims[0].change == 0.0
        assert any(tower in caveat for caveat in found.caveats) == (name == "tuned")
        assert ("identical" in certification_summary(found)) == (name == "base")
        assert claim_faults(read_certification(json.loads(found.to_json()))) == ()


def test_weights_that_differ_are_not_identical_though_no_item_flips(ask, pairs, save_moved):
    found = ask(save_moved(noisy(1e-5)), replace(pairs, items=pairs.items[:10]))
    assert (found.guards.tuned_is_base, found.claims[0].basis) == (False, "test")
    assert (found.claims[0].change, found.verdict) == (0.0, "inconclusive")


def one_step_up(model):
    for weight in model.parameters():
        weight.copy_(torch.nextafter(weight, torch.full_like(weight, torch.inf)))


@pytest.mark.parametrize(
    ("stored", "held", "is_identical"),
    [
        (torch.float32, torch.float32, True),
        (torch.float32, torch.bfloat16, False),
        (torch.bfloat16, torch.bfloat16, True),
        (torch.float16, torch.bfloat16, False),
        (torch.float64, torch.float32, False),
    ],
    ids=str,
)
def test_equal_once_rounded_is_not_equal_bit_for_bit(tmp_path, stored, held, is_identical):
    for name in "base", "tuned":
        tiny.model().to(stored).save_pretrained(tmp_path / name)
        tiny.tokenizer().save_pretrained(tmp_path / name)
    # Another file with the same tensors, so that only the numbers can show that they are equal.
    note = tmp_path / "tuned" / "model.safetensors"
    save_file(load_file(note), note, {"format": "pt", "note": "saved again"})
    base = open_model(str(tmp_path / "base"), dtype=held)
    tuned = open_tuned_model(str(tmp_path / "tuned"), base)
    assert is_same_model(tuned, base, digest_at(base, tuned.point)) is is_identical


def test_weights_that_rounding_makes_equal_are_never_called_identical(
    tmp_path, model_folder, save_moved
):
    base = open_model(str(model_folder), dtype=torch.bfloat16)
    tuned = open_tuned_model(str(save_moved(one_step_up)), base)
    assert digest_at(base, tuned.point) == base.digest
    assert has_same_weights(tuned, base, base.digest)
    assert not is_same_model(tuned, base, base.digest)


def test_items_that_the_model_cannot_tell_apart_count_once(ask, opened, save_moved):
    few = known_pairs(opened, 12)
    copies = tuple(
        p.model_copy(update={"id": f"{p.id} again {k}", "group": group})
        for k, group in enumerate((None, "g", "h"))
        for p in few
    )
    tuned = save_moved(noisy(1e-5))
    capability = Capability("pairs", "minimal_pair", "accuracy", 0.1, (*few, *copies))
    found = ask(tuned, capability)
    assert (found.claims[0].num_items, found.verdict) == (12, "inconclusive")
    assert [len(equal.left_out) for equal in found.guards.equal_items] == [3] * 12
    assert any("count once: of pairs 36 were left out" in caveat for caveat in found.caveats)
    with pytest.raises(SuiteError, match="copies of others under other ids"):
        ask(tuned, replace(capability, items=(few[0], copies[0])), out="one")


def test_an_order_of_options_or_white_space_makes_no_other_item(ask, opened, save_moved):
    words = known_pairs(opened, 2)
    items = tuple(
        MultipleChoice(id=f"{p.id}{order}", prompt="the", choices=choices, answer=answer)
        for p in words
        for order, choices, answer in (
            ("a", (p.good, p.bad), 0), ("b", (p.bad, p.good), 1), ("c", (p.good, p.bad), 1),
        )
    )  # fmt: skip
    found = ask(
        save_moved(noisy(1e-5)), Capability("words", "multiple_choice", "accuracy", 0.1, items)
    )
    equal = {(e.kept[-1], tuple(i[-1] for i in e.left_out)) for e in found.guards.equal_items}
    assert equal == {("a", ("b",))}, "another right answer is another item"
    assert found.claims[0].num_items == 4


def test_the_same_items_under_two_names_are_said(ask, pairs, save_moved):
    tuned = save_moved(noisy(1e-5))
    again = replace(pairs, name="again")
    margins = replace(pairs, name="margins", metric="margin_nats", tolerance=2.0)
    found = ask(tuned, pairs, again, margins)
    (said,) = [c for c in found.caveats if "of the same items" in c]
    assert f"pairs and again ask {NUM} of the same items" in said


def test_a_damaged_model_fails_and_the_base_stays_as_it_was(ask, opened, pairs, save_moved):
    found = ask(save_moved(noisy(0.5)), pairs)
    (claim,) = found.claims
    assert (found.verdict, claim.verdict) == ("fail", "inferior")
    assert claim.high < -claim.margin
    assert len(claim.flips.lost) == round(-claim.change * NUM) + len(claim.flips.gained)
    assert not found.guards.tuned_is_base
    opened.check_unchanged()


def test_an_adapter_and_the_model_it_is_merged_into_give_the_same_claims(ask, pairs, tmp_path):
    margins = replace(pairs, name="margins", metric="margin_nats", tolerance=2.0)
    sides = adapters.save_both(tmp_path, tiny.model())
    adapters.say(tmp_path / "adapter", base_model_name_or_path="some/model")
    found = [ask(side, pairs, margins, out=str(i)) for i, side in enumerate(sides)]
    assert found[0].claims == found[1].claims
    assert found[0].provenance.tuned_digest == found[1].provenance.tuned_digest
    assert [f.provenance.tuned.kind for f in found] == ["adapter", "model"]
    assert found[0].guards.tokenizer == "the base's"
    assert any("without a tokenizer" in caveat for caveat in found[0].caveats)
    assert found[0].guards.num_items_moved > 0
    assert found[0].caveats[0].startswith("The adapter names 'some/model' as its base")
    assert not any("some/model" in caveat for caveat in found[1].caveats)


def test_tuning_that_reaches_no_score_is_refused(ask, pairs, save_moved):
    def unseen(model):
        model.get_input_embeddings().weight[300] += 1.0

    with pytest.raises(ModelError, match="not one score does"):
        ask(save_moved(unseen), pairs)


def test_a_tokenizer_that_makes_other_tokens_is_refused(ask, pairs, save_moved):
    other = tiny.tokenizer()
    other._tokenizer.normalizer = __import__("tokenizers").normalizers.Prepend("x")
    with pytest.raises(ModelError, match=r"moved: its tokenizer .* capability pairs .* save the"):
        ask(save_moved(noisy(0.01), tokenizer=other), pairs)


def test_another_chat_template_is_refused_where_the_suite_uses_it(ask, pairs, save_moved):
    chat = Capability(
        "chat", "multiple_choice", "accuracy", 0.1,
        tuple(
            MultipleChoice.model_validate(
                {"id": str(i), "messages": [{"role": "user", "content": str(i)}],
                 "choices": [" a", " b"], "answer": 0}
            )
            for i in range(4)
        ),
    )  # fmt: skip
    other = tiny.tokenizer()
    other.chat_template = tiny.CHAT_TEMPLATE.replace("<assistant>", "<model>")
    tuned = save_moved(noisy(0.01), tokenizer=other)
    assert ask(tuned, pairs).verdict in ("pass", "inconclusive")
    with pytest.raises(ModelError, match="capability chat"):
        ask(tuned, pairs, chat, out="chat")


def test_what_was_broken_off_goes_on_and_says_the_same(ask, pairs, save_moved, monkeypatch):
    tuned = save_moved(noisy(0.05))
    whole = ask(tuned, pairs, out="whole")
    scoring, calls = Scorer.score, []

    def fails_at_the_second(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RunError("broken off")
        return scoring(*args, **kwargs)

    monkeypatch.setattr(Scorer, "score", fails_at_the_second)
    with pytest.raises(RunError, match="broken off"):
        ask(tuned, pairs)
    assert without_times(ask(tuned, pairs)) == without_times(whole)
    assert len(calls) == 4, "what was stored was scored again"


def test_a_base_that_does_not_repeat_itself_claims_nothing(ask, pairs, save_moved, monkeypatch):
    evaluate = module.LocalEngine.evaluate

    def forgets(engine, points, capabilities):
        table = evaluate(engine, points, capabilities)
        if len(points) == 1:
            table = module.Table({
                key: replace(row, values={m: tuple(1 - v for v in vs) for m, vs in row.values.items()})
                for key, row in table.rows.items()
            })  # fmt: skip
        return table

    monkeypatch.setattr(module.LocalEngine, "evaluate", forgets)
    found = ask(save_moved(noisy(1e-5)), pairs)
    assert found.verdict == "inconclusive"
    assert "does not repeat its own scores" in found.claims[0].reason


def test_names_and_levels_are_checked_before_anything_is_opened(ask, pairs):
    with pytest.raises(ConfigError, match="the capability name pairs is taken"):
        ask("nowhere", pairs, pairs)
    with pytest.raises(ConfigError, match="--alpha"):
        ask("nowhere", pairs, alpha=0.9)
    with pytest.raises(ModelError, match="nowhere: no such folder"):
        ask("nowhere", pairs)


def test_a_model_of_another_shape_is_refused(ask, pairs, tmp_path):
    folder = tiny.save(tmp_path / "wide", "llama", 0, **tiny.WIDE)
    with pytest.raises(ModelError, match=r"its config\.json says head_dim 16 and the base's 8"):
        ask(folder, pairs)


def test_equal_weights_under_another_config_are_another_model(ask, pairs, model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "copy")
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**said, "rms_norm_eps": 0.5}))
    with pytest.raises(ModelError, match=r"says rms_norm_eps 0\.5"):
        ask(folder, pairs)
    (folder / "config.json").write_text(
        json.dumps({**said, "use_cache": False, "attention_dropout": 0.1, "eos_token_id": 3})
    )
    assert ask(folder, pairs, out="harmless").verdict == "pass"


def test_in_sequence_fewer_items_are_scored_and_the_document_says_how_many(ask, opened, save_moved):
    many = Capability("many", "minimal_pair", "accuracy", 0.1, known_pairs(opened, 400))
    same = save_moved(noisy(1e-5), "same")
    whole = ask(same, many, out="whole")
    found = ask(same, many, out="sequential", sequential=True)
    (claim,) = found.claims
    assert (found.verdict, claim.method) == ("pass", "sequential")
    assert claim.num_items < claim.sequential.num_scored < claim.sequential.num_available == 400
    assert claim.sequential.evidence_non_inferior >= 20
    assert claim.pvalue <= 0.05
    assert -claim.low <= claim.margin
    assert found.cost.tokens_forward < whole.cost.tokens_forward / 2
    assert found.guards.num_items == claim.num_items
    assert found.provenance.sequential
    assert not whole.provenance.sequential
    assert any("seeded batches" in caveat for caveat in found.caveats)
    lost = ask(save_moved(noisy(0.5)), many, out="lost", sequential=True)
    assert (lost.verdict, lost.claims[0].verdict) == ("fail", "inferior")
    assert lost.claims[0].high < -0.1
    assert claim_faults(read_certification(json.loads(lost.to_json()))) == ()
    assert claim_faults(read_certification(json.loads(found.to_json()))) == ()


def test_in_sequence_what_has_no_bounds_is_scored_whole(ask, save_moved, pairs):
    texts = Capability(
        "texts", "cloze", "nll_nats", 0.5,
        tuple(Cloze(id=str(i), prompt=f"day {i}", completion=" it rained") for i in range(30)),
    )  # fmt: skip
    found = ask(save_moved(noisy(0.05)), texts, pairs, sequential=True)
    assert [c.capability for c in found.claims] == ["texts", "pairs"]
    assert [c.method for c in found.claims] == ["unbounded", "sequential"]
    assert found.claims[0].sequential is None
    assert found.claims[0].num_items == 30


def test_a_sequential_run_that_was_broken_off_says_the_same(ask, opened, save_moved, monkeypatch):
    many = Capability("many", "minimal_pair", "accuracy", 0.02, known_pairs(opened, 300))
    tuned = save_moved(noisy(0.002))
    whole = ask(tuned, many, out="whole", sequential=True)
    assert whole.claims[0].sequential.num_looks > 2
    scoring, calls = Scorer.score, []

    def fails_at_the_third(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise RunError("broken off")
        return scoring(*args, **kwargs)

    monkeypatch.setattr(Scorer, "score", fails_at_the_third)
    with pytest.raises(RunError, match="broken off"):
        ask(tuned, many, sequential=True)
    assert without_times(ask(tuned, many, sequential=True)) == without_times(whole)


def test_a_policy_takes_the_place_of_margins_tiers_and_alpha(ask, pairs, model_folder):
    policy = CertificationPolicy(
        name="release.yaml",
        digest="sha256:" + "0" * 64,
        alpha=0.01,
        capabilities=(PolicyRule(name="pairs", tier="advisory", margin=0.2),),
    )
    found = ask(model_folder, pairs, policy=policy)
    (claim,) = found.claims
    assert (claim.margin, claim.required) == (0.2, False)
    assert found.verdict == "inconclusive"
    assert (found.provenance.alpha, found.provenance.policy) == (0.01, policy)
    assert any("policy release.yaml (sha256:000" in caveat for caveat in found.caveats)
    assert claim_faults(read_certification(json.loads(found.to_json()))) == ()
    with pytest.raises(ConfigError, match="no --suite holds the capability pairs"):
        ask(model_folder, replace(pairs, name="other"), policy=policy, out="other")


def test_what_was_lost_is_asked_again_only_where_that_was_wanted(ask, opened, save_moved):
    items = tuple(
        MultipleChoice(id=p.id, prompt="the", choices=(p.good, p.bad), answer=0)
        for p in known_pairs(opened, NUM)
    )
    table = ask(str(save_moved(noisy(0.0), "same")), Capability(
        "words", "multiple_choice", "accuracy", 0.1, items), out="first")  # fmt: skip
    assert table.recovery is None
    known = Capability("words", "multiple_choice", "accuracy", 0.1, items)
    found = ask(save_moved(noisy(0.5)), known, recovery=True)
    assert found.recovery is not None
    assert {r.capability for r in found.recovery} == {
        c.capability for c in found.claims if c.verdict == "inferior"
    }
