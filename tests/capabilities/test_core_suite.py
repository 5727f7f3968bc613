"""The shipped suites: large enough, balanced, without duplicates, and what their generator writes."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from driftline.capabilities import MinimalPair, MultipleChoice, Passage, read_suite
from scripts.suites import _checks

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "src/driftline/capabilities/suites"
WRITTEN = ("core", "core-chat")
FORMER_DIGEST = "sha256:ec3f87665d5a30da74f03dd8ac354cb9d7e29eb092671b6ffe92c36c829e375f"


def capabilities():
    return [(name, c) for name in WRITTEN for c in read_suite(name).capabilities]


def as_records(items):
    return [item.model_dump(mode="json", exclude_none=True) for item in items]


@pytest.mark.parametrize(
    ("suite", "capability"), capabilities(), ids=lambda v: str(getattr(v, "name", v))
)
class TestEachCapability:
    def test_is_required_described_and_large_enough(self, suite, capability):
        assert capability.required == (capability.metric != "nll_nats")
        assert capability.description
        assert len(capability.items) >= 250
        assert len({_checks.set_of(record) for record in as_records(capability.items)}) >= 40

    def test_keeps_every_rule(self, suite, capability):
        assert _checks.problems_of_capability(as_records(capability.items)) == []

    def test_only_the_chat_suite_needs_a_chat_template(self, suite, capability):
        asked = [item for item in capability.items if getattr(item, "messages", None)]
        assert len(asked) == (len(capability.items) if suite == "core-chat" else 0)

    def test_each_option_of_a_set_is_right_as_often_as_any_other(self, suite, capability):
        right: dict[tuple[str, ...], Counter[str]] = {}
        for item in capability.items:
            if isinstance(item, MultipleChoice):
                key = (item.id.rpartition("-")[0], *sorted(item.choices))
                right.setdefault(key, Counter())[item.choices[item.answer]] += 1
        for (_, *options), counts in right.items():
            assert counts == dict.fromkeys(options, 1)

    def test_chance_is_known_before_a_model_is_run(self, suite, capability):
        sizes = {MinimalPair: 0.5, Passage: None}
        (kind,) = {type(item) for item in capability.items}
        if kind is MultipleChoice:
            assert capability.chance == 1 / len(capability.items[0].choices)
        else:
            assert capability.chance == sizes[kind]


@pytest.mark.parametrize("suite", WRITTEN)
def test_ids_and_texts_are_unique_in_a_suite(suite):
    items = {c.name: as_records(c.items) for c in read_suite(suite).capabilities}
    assert _checks.problems_of_suite(suite, items) == []


def test_refusals_are_half_harmless_requests():
    (refusals,) = (c for c in read_suite("core-chat").capabilities if c.name == "refusals")
    right = Counter(item.choices[item.answer] for item in refusals.items)
    refused = sum(n for text, n in right.items() if "help" in text.lower() or "assist" in text)
    assert sum(right.values()) == len(refusals.items)
    assert right.most_common()[0][1] < refused


def test_the_former_suite_is_kept_as_it_was():
    assert read_suite("core-0.1").provenance().digest == FORMER_DIGEST


RECORDED = json.loads((ROOT / "evidence/suites/base.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("run", RECORDED, ids=str)
class TestRecordedScores:
    def test_are_those_of_the_items_that_ship(self, run):
        recorded = RECORDED[run]
        shipped = {c.name: c.digest for c in read_suite(recorded["suite"]).capabilities}
        assert {n: e["digest"] for n, e in recorded["capabilities"].items()} == shipped

    def test_show_no_gain_from_the_length_in_tokens(self, run):
        for name, entry in RECORDED[run]["capabilities"].items():
            for rule, share in entry["length_alone"].items():
                noise = 3 * (entry["chance"] * (1 - entry["chance"]) / entry["items"]) ** 0.5
                assert abs(share - entry["chance"]) <= noise, (name, rule)


def test_a_small_model_has_every_capability_of_core():
    for name, entry in RECORDED["smollm2-135m core"]["capabilities"].items():
        if entry["options"]:
            assert entry["accuracy"] - entry["chance"] > 3 * entry["accuracy_error"], name
            assert entry["full_margins"] < 0.5, name


def test_core_stays_cheap():
    assert RECORDED["smollm2-135m core"]["tokens"] < 120_000


# Each rule finds a fault that is put into sound items.


def choices_of(count, *, prompt="Word {} is", right=0, options=(" red", " blue")):
    return [
        {
            "id": f"x-{number}",
            "group": f"g-{number}",
            "prompt": " ".join(f"{prompt.format(number)} {number * k}" for k in range(1, 5)),
            "choices": list(options),
            "answer": number % 2 if right is None else right,
        }
        for number in range(count)
    ]


def found(items):
    return "\n".join(_checks.problems_of_capability(items))


def balanced(count=250):
    items = choices_of(count, right=None)
    for number, item in enumerate(items):
        if number % 4 > 1:
            item["choices"].reverse()
    return items


def test_sound_items_have_no_problem():
    assert found(balanced()) == ""


def test_too_few_items_are_found():
    assert "fewer than 250" in found(balanced(248))


def test_too_few_sets_are_found():
    items = balanced()
    for number, item in enumerate(items):
        item["group"] = f"g-{number % 30}"
    assert "30 sets, fewer than 40" in found(items)


def test_one_place_for_all_answers_is_found():
    assert "choice 0 is right in 100%" in found(choices_of(250, right=0))


@pytest.mark.parametrize(("long", "named"), [(0, "longest"), (1, "shortest")])
def test_a_length_that_tells_the_answer_is_found(long, named):
    items = balanced()
    for item in items:
        place = (item["answer"] + long) % 2
        item["choices"][place] += " and more of it"
    assert f"the {named} option in characters is right in 100%" in found(items)


def test_a_word_that_tells_the_answer_is_found():
    items = balanced()
    for item in items:
        item["choices"] = [" wrong", " wrong"]
        item["choices"][item["answer"]] = " right"
    assert "'right'" in found(items)


def test_near_duplicates_of_two_sets_are_found():
    items = balanced()
    items[7]["prompt"] = items[3]["prompt"]
    items[7]["choices"], items[7]["answer"] = items[3]["choices"], items[3]["answer"]
    assert "x-3 and x-7 share 100%" in found(items)
    items[7]["group"] = items[3]["group"]
    assert "x-3 and x-7" not in found(items)


def test_a_long_item_is_found():
    items = balanced()
    items[5]["prompt"] += " word" * 100
    assert "x-5" in found(items)


def test_a_chat_prompt_in_core_is_found():
    items = balanced()
    items[0]["messages"] = [{"role": "user", "content": items[0].pop("prompt")}]
    assert _checks.problems_of_suite("core", {"a": items}) == ["core: a: needs a chat template"]
    assert _checks.problems_of_suite("core-chat", {"a": items}) == []


def test_an_id_in_two_capabilities_is_found():
    items = balanced()
    twice = _checks.problems_of_suite("core", {"a": items, "b": [{**items[0], "prompt": "Other"}]})
    assert "core: two items have the id x-0" in twice


def _check(folder):
    return subprocess.run(
        [sys.executable, "-m", "scripts.suites", "--check", "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_files_are_what_the_generator_writes():
    done = _check(SUITES)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_can_fail(tmp_path):
    folder = tmp_path / "suites"
    shutil.copytree(SUITES, folder)
    changed = folder / "core" / "french.jsonl"
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    (folder / "core-chat" / "extra.jsonl").touch()
    (folder / "core" / "german.jsonl").unlink()
    done = _check(folder)
    assert done.returncode == 1
    named = [line.rpartition("/")[2] for line in done.stderr.splitlines()]
    assert named == ["french.jsonl", "german.jsonl", "extra.jsonl"]
