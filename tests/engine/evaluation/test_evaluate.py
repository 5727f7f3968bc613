"""The engine's verb on a tiny model: right scores, each once, and the model as it was."""

from types import SimpleNamespace

import numpy
import pytest
import torch

from driftline.capabilities import (
    Alternatives,
    Capability,
    Cloze,
    Generation,
    MinimalPair,
    MultipleChoice,
    Passage,
)
from driftline.engine import LocalEngine, Meter, ResultStore
from driftline.engine.evaluation import _evaluate as module
from driftline.errors import RunError, SuiteError
from driftline.models import (
    BASE,
    NoiseDirection,
    Point,
    Scorer,
    ScoringOptions,
    Term,
    at_point,
    encode_completions,
    generate_greedily,
    open_model,
)

EXACT = ScoringOptions(bfloat16=False)
NOISE = Point("noise", (Term(NoiseDirection(0), 0.3),))
OTHER_NOISE = Point("other noise", (Term(NoiseDirection(1), 0.3),))


def capability(name, scorer, metric, items, **more):
    return Capability(name, scorer, metric, 0.25, tuple(items), **more)


PAIRS = capability(
    "pairs", "minimal_pair", "margin_nats",
    [MinimalPair(id=f"p{i}", good=f"{i} cats run.", bad=f"{i} cats runs.") for i in range(4)],
)  # fmt: skip
CHOICES = capability(
    "choices", "multiple_choice", "accuracy",
    [
        MultipleChoice(id=f"c{i}", prompt=f"1 + {i} =", choices=(" 9", f" {i + 1}", " nine"), answer=1)
        for i in range(3)
    ],
    normalization="bytes",
)  # fmt: skip
CLOZES = capability(
    "clozes", "cloze", "nll_nats",
    [
        Cloze(id="l0", prompt="The cat", completion=" sleeps."),
        Cloze(id="l1", messages=[{"role": "user", "content": "Hi"}], completion="Hello"),
    ],
)  # fmt: skip
TEXTS = capability(
    "texts", "perplexity", "nll_nats",
    [Passage(id=f"t{i}", text=f"It rained on day {i}.") for i in range(3)],
)  # fmt: skip
ANSWERS = capability(
    "answers", "generate", "exact_match",
    [Generation(id=f"g{i}", prompt=f"Say {i}:", answer=str(i)) for i in range(2)],
)  # fmt: skip
SCORED = (PAIRS, CHOICES, CLOZES, TEXTS)


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results.sqlite")
    yield made
    made.close()


@pytest.fixture
def engine(opened, store):
    yield LocalEngine(opened, store, EXACT)
    opened.check_unchanged()


@pytest.fixture
def passes(monkeypatch):
    """The names of the model's functions that were called."""
    calls = []

    score, generate = Scorer.score, generate_greedily

    def watched_score(scorer, sequences, **kwargs):
        if sequences:
            calls.append("score")
        return score(scorer, sequences, **kwargs)

    def watched_generate(*args, **kwargs):
        calls.append("generate")
        return generate(*args, **kwargs)

    monkeypatch.setattr(Scorer, "score", watched_score)
    monkeypatch.setattr(module, "generate_greedily", watched_generate)
    return calls


def nll(opened, context, text):
    """Minus the log-likelihood by transformers' own loss, and the number of tokens behind it."""
    (sequence,) = encode_completions(opened, context, [text])
    ids = torch.tensor([sequence.tokens])
    labels = ids.clone()
    labels[:, : sequence.start] = -100
    with torch.no_grad():
        mean = float(opened.model(input_ids=ids, labels=labels).loss)
    count = len(sequence.tokens) - sequence.start
    return mean * count, count


def clip(margin):
    return max(-5.0, min(5.0, margin))


def directly(opened, point):
    """Every value that the table should have, item by item."""
    with at_point(opened, point):
        margins = [
            clip(nll(opened, "", i.bad)[0] - nll(opened, "", i.good)[0]) for i in PAIRS.items
        ]
        right = []
        for item in CHOICES.items:
            values = [-nll(opened, item.prompt, c)[0] / len(c.strip()) for c in item.choices]
            right.append(float(values[1] > max(values[0], values[2])))
        clozes = [nll(opened, i.context(), i.completion) for i in CLOZES.items]
        texts = [nll(opened, "", i.text) for i in TEXTS.items]
    return {
        "pairs": margins,
        "choices": right,
        "clozes": [total / count for total, count in clozes],
        "texts": [total / count for total, count in texts],
    }


@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_the_table_is_what_direct_scoring_gives(opened, store, batch_tokens):
    options = ScoringOptions(bfloat16=False, batch_tokens=batch_tokens)
    table = LocalEngine(opened, store, options).evaluate((BASE, NOISE), SCORED)
    for point in (BASE, NOISE):
        expected = directly(opened, point)
        for scored in SCORED:
            numpy.testing.assert_allclose(
                table.values(point, scored), expected[scored.name], rtol=2e-5, atol=2e-5
            )
    opened.check_unchanged()


def test_losses_are_positive_where_it_got_worse(engine):
    table = engine.evaluate((BASE, NOISE), (PAIRS, TEXTS))
    for scored, sign in ((PAIRS, -1), (TEXTS, 1)):
        change = table.values(NOISE, scored) - table.values(BASE, scored)
        losses = table.item_losses(NOISE, scored, base=BASE)
        assert losses.tolist() == (sign * change).tolist()
        assert numpy.abs(losses).max() > 0.01
        assert table.item_losses(BASE, scored, base=BASE).tolist() == [0.0] * len(scored.items)


def test_any_metric_that_the_scorer_gives_has_a_mean(engine):
    table = engine.evaluate((BASE,), (PAIRS,))
    assert table.metric(BASE, PAIRS, "margin_nats") == pytest.approx(
        table.values(BASE, PAIRS).mean()
    )
    assert table.metric(BASE, PAIRS, "accuracy") in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert table.metric(BASE, PAIRS, "nll_nats") is None


def test_the_preferred_option_is_kept_of_items_that_have_options(engine):
    table = engine.evaluate([BASE], SCORED)
    for watched in SCORED:
        for item, scores in zip(watched.items, table.item_metrics(BASE, watched), strict=True):
            if watched in (PAIRS, CHOICES):
                is_right = scores["preferred_option"] == getattr(item, "answer", 0)
                assert scores["accuracy"] == float(is_right)
            else:
                assert "preferred_option" not in scores


def test_nothing_is_scored_twice(engine, passes):
    first = engine.evaluate((BASE, NOISE), SCORED)
    assert len(passes) == 2
    assert engine.evaluate((BASE, NOISE), SCORED) == first
    assert engine.evaluate((NOISE,), (TEXTS,)).values(NOISE, TEXTS).tolist() == (
        first.values(NOISE, TEXTS).tolist()
    )
    assert len(passes) == 2


def test_a_label_and_a_name_are_for_people_only(engine, passes):
    engine.evaluate((NOISE,), (PAIRS,))
    same = Point("another label", NOISE.terms)
    renamed = capability("renamed", "minimal_pair", "accuracy", PAIRS.items)
    engine.evaluate((same,), (renamed,))
    assert len(passes) == 1


def test_another_process_scores_only_what_is_missing(opened, store, passes):
    LocalEngine(opened, store, EXACT).evaluate((BASE,), (PAIRS,))
    table = LocalEngine(opened, store, EXACT).evaluate((BASE, NOISE), (PAIRS, TEXTS))
    assert len(store) == 4
    assert len(passes) == 3
    assert table == LocalEngine(opened, store, EXACT).evaluate((BASE, NOISE), (PAIRS, TEXTS))
    assert len(passes) == 3


def test_after_a_failure_only_what_is_missing_is_repeated(engine, store, passes, monkeypatch):
    points = (BASE, NOISE, OTHER_NOISE)
    whole = Scorer.score
    left = [2]

    def fails_at_the_third(*args, **kwargs):
        if not left[0]:
            raise RunError("the third point fails")
        left[0] -= 1
        return whole(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", fails_at_the_third)
        with pytest.raises(RunError, match="the third point fails"):
            engine.evaluate(points, SCORED)
    engine.opened.check_unchanged()
    assert len(store) == 2 * len(SCORED)
    passes.clear()
    table = engine.evaluate(points, SCORED)
    assert len(passes) == 1
    assert len(store) == 3 * len(SCORED)
    expected = directly(engine.opened, OTHER_NOISE)["texts"]
    numpy.testing.assert_allclose(table.values(OTHER_NOISE, TEXTS), expected, rtol=2e-5)


def test_a_point_is_stored_whole_or_not_at_all(engine, store, monkeypatch):
    # In bfloat16 a score moves with what else is in the batch, so no part may be scored alone.
    put = store.put

    def fails_at_the_last(key, scores, **names):
        if names["capability"] == SCORED[-1].name and names["point"] == "noise":
            raise RunError("the disk fails")
        put(key, scores, **names)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", fails_at_the_last)
        with pytest.raises(RunError, match="the disk fails"):
            engine.evaluate((BASE, NOISE), SCORED)
    assert len(store) == len(SCORED)
    engine.evaluate((BASE, NOISE), SCORED)
    assert len(store) == 2 * len(SCORED)


def test_what_changes_a_score_changes_the_key(opened, store):
    engine = LocalEngine(opened, store, EXACT)
    keys = {
        engine._key(BASE, PAIRS),
        engine._key(NOISE, PAIRS),
        engine._key(OTHER_NOISE, PAIRS),
        engine._key(Point("", (Term(NoiseDirection(0), 0.31),)), PAIRS),
        engine._key(BASE, TEXTS),
        engine._key(BASE, PAIRS.sample(3, seed=0)),
        LocalEngine(opened, store, ScoringOptions(bfloat16=True))._key(BASE, PAIRS),
    }
    for options in (
        ScoringOptions(bfloat16=False, batch_tokens=7),
        ScoringOptions(bfloat16=False, prefix_reuse=False),
    ):
        keys.add(LocalEngine(opened, store, options)._key(BASE, PAIRS))
    assert len(keys) == 9


def test_another_base_has_other_keys(opened, store):
    from dataclasses import replace

    other = replace(opened, digest="sha256:other")
    assert LocalEngine(other, store, EXACT)._key(BASE, PAIRS) != LocalEngine(
        opened, store, EXACT
    )._key(BASE, PAIRS)


@pytest.mark.parametrize(
    "change", [{"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, {"rms_norm_eps": 1e-3}]
)
def test_equal_weights_under_another_config_have_other_keys(opened, store, model_folder, change):
    other = open_model(str(model_folder))
    assert other.config_digest == opened.config_digest
    other = open_model(str(model_folder))
    other.model.config.update(change)
    assert other.digest == opened.digest
    assert LocalEngine(other, store, EXACT)._key(BASE, PAIRS) != LocalEngine(
        opened, store, EXACT
    )._key(BASE, PAIRS)


def test_another_version_of_transformers_has_other_keys(opened, store, monkeypatch):
    key = LocalEngine(opened, store, EXACT)._key(BASE, PAIRS)
    other = SimpleNamespace(__version__="0.0")
    monkeypatch.setattr("driftline.models.language_model._numerics.transformers", other)
    assert LocalEngine(opened, store, EXACT)._key(BASE, PAIRS) != key


def test_answers_are_generated_and_kept(engine, passes, monkeypatch):
    heard = iter(["0, of course", "what?"])
    with monkeypatch.context() as patch:
        patch.setattr(engine.opened.tokenizer, "decode", lambda *_a, **_k: next(heard))
        table = engine.evaluate((BASE,), (ANSWERS, TEXTS))
    assert table.values(BASE, ANSWERS).tolist() == [1.0, 0.0]
    assert passes == ["score", "generate"]
    assert engine.evaluate((BASE,), (ANSWERS,)).values(BASE, ANSWERS).tolist() == [1.0, 0.0]
    assert len(passes) == 2


def test_a_generated_answer_is_the_greedy_one(opened, store):
    ids = torch.tensor([opened.tokenizer("Say 0:")["input_ids"]])
    with torch.no_grad():
        for _ in range(3):
            following = opened.model(input_ids=ids).logits[0, -1].argmax()
            ids = torch.cat([ids, following[None, None]], dim=1)
    text = opened.tokenizer.decode(ids[0, -3:])
    items = [
        Generation(id="right", prompt="Say 0:", answer=text),
        Generation(id="wrong", prompt="Say 0:", answer="no"),
    ]
    made = capability("answers", "generate", "exact_match", items)
    table = LocalEngine(opened, store, EXACT).evaluate((BASE,), (made,))
    assert table.values(BASE, made).tolist() == [1.0, 0.0]


def test_answers_can_be_had_as_text_at_any_point(engine):
    point = Point("noise", (Term(NoiseDirection(0), 0.3),))
    said = [engine.scorer.answers(where, ANSWERS.items) for where in (BASE, point, BASE)]
    assert said[0] == said[2] != said[1]
    exact = engine.evaluate([BASE], [ANSWERS]).values(BASE, ANSWERS)
    matches = [a.strip().startswith(i.answer) for a, i in zip(said[0], ANSWERS.items, strict=True)]
    assert exact.tolist() == [float(match) for match in matches]


def test_an_item_that_does_not_fit_is_named_before_anything_runs(engine, passes):
    long = Cloze(id="long", prompt="x" * 299, completion="y")
    made = capability("clozes", "cloze", "nll_nats", [*CLOZES.items, long])
    with pytest.raises(SuiteError, match=r"capability clozes: item long: .*300 tokens .* 256"):
        engine.evaluate((BASE,), (PAIRS, made))
    assert passes == []


def test_a_passage_beyond_the_context_is_scored_in_windows(engine):
    text = " ".join(f"It rained on day {i}." for i in range(36))
    tokens = engine.opened.tokenizer(text)["input_ids"]
    assert 2 * 256 < len(tokens) < 3 * 256 + 1
    made = capability("texts", "perplexity", "nll_nats", [*TEXTS.items, Passage(id="l", text=text)])
    table = engine.evaluate((BASE,), (TEXTS, made))
    # Every token once: the first 256 after the beginning token, then 256 after their last, then
    # the rest at the end of a full window.
    ids = [engine.opened.tokenizer.bos_token_id, *tokens]
    total = 0.0
    for begin, start, end in ((0, 1, 257), (256, 257, 513), (len(ids) - 257, 513, len(ids))):
        with torch.no_grad():
            logits = engine.opened.model(torch.tensor([ids[begin : end - 1]])).logits[0]
        for position in range(start, end):
            total -= float(logits[position - 1 - begin].log_softmax(-1)[ids[position]])
    assert table.values(BASE, made)[-1] == pytest.approx(total / len(tokens), rel=1e-5)
    assert table.values(BASE, made)[:-1].tolist() == pytest.approx(
        table.values(BASE, TEXTS).tolist(), rel=1e-5
    )


def test_alternatives_are_scored_each_after_its_own_prompt(engine):
    options = [
        ("The dog that ran", " barks."),
        ("", "Dogs bark."),
        ("The dogs that ran", " barks."),
    ]
    item = Alternatives(
        id="a", alternatives=[{"prompt": p, "completion": c} for p, c in options], answer=1
    )
    other = item.model_copy(update={"id": "b", "answer": 0})
    made = capability("options", "alternatives", "margin_nats", [item, other])
    values = [-nll(engine.opened, prompt, completion)[0] for prompt, completion in options]
    expected = [clip(values[1] - max(values[0], values[2])), clip(values[0] - max(values[1:]))]
    table = engine.evaluate((BASE,), (made,))
    numpy.testing.assert_allclose(table.values(BASE, made), expected, rtol=2e-5, atol=2e-5)


def test_without_a_chat_template_the_item_is_named(engine, monkeypatch):
    monkeypatch.setattr(engine.opened.tokenizer, "chat_template", None)
    with pytest.raises(SuiteError, match=r"capability clozes: item l1: .*no chat template"):
        engine.evaluate((BASE,), (CLOZES,))


def test_tokens_are_counted_the_same_whether_scored_or_found(opened, store):
    counts = []
    for _ in range(2):
        meter = Meter()
        engine = LocalEngine(opened, store, EXACT, meter)
        engine.evaluate((BASE, NOISE), (PAIRS, TEXTS))
        assert engine.tokens_used == 2 * engine.num_tokens((PAIRS, TEXTS))
        assert meter.done + meter.skipped == pytest.approx(engine.tokens_used)
        counts.append((engine.tokens_used, meter.skipped))
    assert counts[0] == (counts[1][0], 0)
    assert counts[1][1] == counts[1][0]


def test_a_beginning_that_is_shared_is_counted_once(opened, store):
    engine = LocalEngine(opened, store, EXACT)
    item = MultipleChoice(id="a", prompt="Say", choices=(" a", " b", " c"), answer=0)
    other = MultipleChoice(id="b", prompt="Say it", choices=(" a", " b"), answer=0)
    made = capability("one token", "multiple_choice", "accuracy", [item, other])
    # One token a byte: each choice is two tokens, and the last one does not go in.
    assert engine.num_tokens((made,)) == len("Say it ")


def test_random_states_are_left_alone(engine):
    torch.manual_seed(7)
    expected = torch.get_rng_state()
    engine.evaluate((BASE, NOISE), (*SCORED, ANSWERS))
    assert torch.equal(torch.get_rng_state(), expected)
