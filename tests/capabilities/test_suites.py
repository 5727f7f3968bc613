"""Suites: what is read, and how each mistake is named."""

import json

import pytest
import yaml

from driftline.capabilities import SHIPPED_SUITES, read_suite
from driftline.errors import SuiteError
from driftline.provenance import digest_value

PAIRS = [{"id": f"i{i}", "good": f"{i} is", "bad": f"{i} are"} for i in range(3)]


def entry(**changes):
    fields = {
        "name": "grammar",
        "scorer": "minimal_pair",
        "metric": "margin_nats",
        "tolerance": 0.25,
        "items": PAIRS,
    }
    return {k: v for k, v in {**fields, **changes}.items() if v is not ...}


@pytest.fixture
def write(tmp_path):
    def write_suite(*entries, schema="driftline/suite/1", **more):
        path = tmp_path / "mine.yaml"
        content = {"schema": schema, "capabilities": list(entries), **more}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return write_suite


@pytest.fixture
def lines(tmp_path, write):
    """A suite whose items lie in a file with these bytes."""

    def write_lines(content):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "items.jsonl").write_bytes(data)
        return write(entry(items="items.jsonl"))

    return write_lines


def refused(path, message):
    with pytest.raises(SuiteError, match=message) as raised:
        read_suite(path)
    assert "\n" not in str(raised.value)


def test_items_in_the_yaml(write):
    suite = read_suite(write(entry(required=False, description="d", normalization="bytes")))
    (only,) = suite.capabilities
    assert suite.name == "mine"
    assert [item.id for item in only.items] == ["i0", "i1", "i2"]
    assert (only.required, only.description, only.normalization) == (False, "d", "bytes")
    assert read_suite(write(entry())).capabilities[0].required


def test_items_in_a_file_are_the_same_items(write, lines):
    inline = read_suite(write(entry()))
    text = "\n".join(json.dumps(record) for record in PAIRS)
    for content in (text, text + "\n", text.replace("\n", "\r\n") + "\r\n"):
        assert read_suite(lines(content)).capabilities == inline.capabilities


def test_a_text_may_hold_any_line_separator_that_json_allows(lines):
    odd = "a\u2028b\u2029c\x85d\x7fe"
    records = [*PAIRS, {"id": "odd", "good": odd, "bad": "x"}]
    suite = read_suite(lines("\n".join(json.dumps(r, ensure_ascii=False) for r in records)))
    assert suite.capabilities[0].items[-1].good == odd


def test_provenance_follows_items_and_metrics(write):
    first = read_suite(write(entry())).provenance()
    assert first.num_records == 3
    assert first == read_suite(write(entry())).provenance()
    for changes in ({"items": PAIRS[:2]}, {"metric": "accuracy"}, {"name": "other"}):
        assert read_suite(write(entry(**changes))).provenance().digest != first.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"tolerance": 0.2}, {"required": False}, {"max_group_size": 3}, {"items": PAIRS[:2]},
        {"metric": "accuracy"}, {"name": "other"}, {"normalization": "bytes"},
    ],
)  # fmt: skip
def test_the_identity_follows_all_that_a_verdict_depends_on(write, changes):
    first = read_suite(write(entry(description="a")))
    assert digest_value(first.identity()) == digest_value(
        read_suite(write(entry(description="b"))).identity()
    )
    assert read_suite(write(entry(**changes))).identity() != first.identity()


def test_the_identity_follows_the_declared_range(write):
    texts = [{"id": f"t{i}", "text": f"It rained on day {i}."} for i in range(3)]
    common = {"scorer": "perplexity", "metric": "nll_nats", "items": texts}
    first, other = (
        read_suite(write(entry(range=[0, most], **common))).identity() for most in (10, 20)
    )
    assert digest_value(first) != digest_value(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, r"mine.yaml: capabilities.0.colour: Extra inputs"),
        ({"name": ...}, r"mine.yaml: capabilities.0.name: Field required"),
        ({"name": ""}, r"capabilities.0.name: .*at least 1 character"),
        ({"items": ...}, r"capabilities.0.items: Field required"),
        ({"scorer": "guess"}, r"capabilities.0.scorer: Input should be 'multiple_choice'"),
        ({"scorer": "guess"}, r", not 'guess'$"),
        ({"metric": "acuracy"}, r"metric: .*, not 'acuracy'$"),
        ({"items": ..., "itmes": []}, r"items: Field required; is itmes a slip of the pen\?"),
        ({"items": ..., "colour": "red"}, r"items: Field required$"),
        (
            {"metric": "bleu"},
            r"capabilities.0.metric: Input should be 'probability', 'margin_nats'",
        ),
        ({"metric": "nll_nats"}, r"mine.yaml: capability grammar: scorer minimal_pair gives"),
        ({"tolerance": "much"}, r"tolerance 'much' is no number; write one in the unit"),
        ({"tolerance": 0}, r"mine.yaml: capability grammar: tolerance 0.0 is not above 0"),
        ({"items": PAIRS[:1]}, r"mine.yaml: capability grammar: has 1 item"),
        ({"items": []}, r"mine.yaml: capability grammar: has 0 item"),
        ({"items": [*PAIRS, PAIRS[0]]}, r"mine.yaml: capability grammar: .*the id i0"),
        (
            {"items": [PAIRS[0], {"id": "b", "good": "x", "bad": "x"}]},
            r"mine.yaml: capability grammar: item 2: good and bad are the same",
        ),
        (
            {"items": [*PAIRS, {"id": "b", "good": "x"}]},
            r"mine.yaml: capability grammar: item 4: bad: Field required",
        ),
        ({"items": "none.jsonl"}, r"none.jsonl: items of grammar in mine.yaml cannot be read"),
        ({"items": "."}, r"items of grammar in mine.yaml cannot be read"),
    ],
)
def test_a_wrong_entry_is_named(write, changes, message):
    refused(write(entry(**changes)), message)


def test_a_wrong_suite_is_named(write, tmp_path):
    refused(write(entry(), schema="driftline/suite/2"), r"mine.yaml: schema: .*driftline/suite/1")
    refused(write(entry(), colour="red"), r"mine.yaml: colour: Extra inputs")
    refused(write(), r"mine.yaml: capabilities: .*at least 1 item")
    refused(write("grammar"), r"mine.yaml: capabilities.0: must be a mapping of keys to values$")
    refused(write(entry(), entry()), r"mine.yaml: two capabilities are called grammar; rename")
    refused(str(tmp_path / "none.yaml"), r"none.yaml: no such suite .*one of: core")
    refused(str(tmp_path), r"no such suite")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1, 2", r"odd.yaml: not YAML \(.*line 1"),
        (b"schema: a\nschema: b", r"odd.yaml: line 2: duplicate key schema"),
        (b"caf\xe9: 1", r"odd.yaml: not YAML \(not UTF-8"),
        (b"", r"odd.yaml: must be a mapping of keys to values$"),
        (b"- 1\n- 2\n", r"odd.yaml: must be a mapping of keys to values$"),
        (b"just words", r"odd.yaml: must be a mapping of keys to values$"),
        (b"!!python/object:os.system {}", r"odd.yaml: not YAML"),
    ],
)
def test_a_file_that_is_no_suite(tmp_path, content, message):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    refused(str(path), message)


FIRST = json.dumps(PAIRS[0]) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"items.jsonl: holds no items; write one JSON object a line"),
        (FIRST + "\n" + FIRST, r"items.jsonl: line 2: empty; remove the line"),
        (FIRST + "  \n" + FIRST, r"items.jsonl: line 2: empty"),
        (FIRST + '{"id": "b",\n', r"items.jsonl: line 2: not JSON \(.* at column \d+\)"),
        (FIRST + "3\n", r"items.jsonl: line 2: must be a mapping of keys to values"),
        (FIRST + '{"id": "b", "good": "x"}\n', r"items.jsonl: line 2: bad: Field required"),
        (FIRST + '{"id": "b", "good": "x", "bad": "x"}', r"items.jsonl: line 2: good and bad are"),
        (FIRST, r"mine.yaml: capability grammar: has 1 item"),
        (FIRST.encode() + b'{"id": "caf\xe9"}\n', r"items.jsonl: items of grammar .*UTF-8"),
    ],
)
def test_a_wrong_line_is_named(lines, content, message):
    refused(lines(content), message)


def test_what_is_shipped_can_be_read():
    for name in SHIPPED_SUITES:
        assert read_suite(name).name == name


TEXTS = [{"id": f"i{i}", "text": f"text {i}"} for i in range(3)]


def texts(**changes):
    return entry(scorer="perplexity", metric="nll_nats", items=TEXTS, **changes)


def test_a_range_and_a_group_size_are_declared(write):
    (texts_, pairs_) = read_suite(
        write(texts(range=[0, 12.5]), entry(name="pairs", max_group_size=4))
    ).capabilities
    assert (texts_.score_range, texts_.max_group_size) == ((0.0, 12.5), None)
    assert (pairs_.score_range, pairs_.max_group_size) == (None, 4)


@pytest.mark.parametrize(
    "value",
    [
        [5, 1], [3, 3], [1], [1, 2, 3], 7, "wide", [0, float("inf")], [float("nan"), 1], [True, 2],
        [0, True], [None, 2], ["a", "b"],
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_refused(write, value):
    refused(write(texts(range=value)), "range")


@pytest.mark.parametrize("metric", ["accuracy", "margin_nats"])
def test_a_metric_with_bounds_takes_no_range(write, metric):
    refused(write(entry(metric=metric, range=[0, 1])), f"{metric} has a range of its own")


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "four", float("nan"), float("inf")])
def test_a_group_size_that_is_no_count_is_refused(write, value):
    refused(write(entry(max_group_size=value)), "max_group_size")


def test_a_group_that_is_larger_than_declared_is_named(write):
    items = [{**item, "group": "g" if i < 2 else "h"} for i, item in enumerate(PAIRS)]
    refused(write(entry(items=items, max_group_size=1)), "the group g holds 2 items")
    assert read_suite(write(entry(items=items, max_group_size=2)))


@pytest.mark.parametrize(
    "value", [True, False, float("nan"), float("inf"), -float("inf"), 0, -1, "wide", None, [0.1]]
)
def test_a_tolerance_that_is_no_positive_number_is_refused(write, value):
    refused(write(entry(tolerance=value)), "tolerance")
