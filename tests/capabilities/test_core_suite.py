"""The shipped suite: large enough, balanced, and exactly what its generator writes."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from driftline.capabilities import MinimalPair, MultipleChoice, read_suite

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "src/driftline/capabilities/suites"


@pytest.fixture(scope="module")
def core():
    return read_suite("core")


def test_it_is_broad_and_large_enough(core):
    assert len(core.capabilities) >= 8
    for capability in core.capabilities:
        assert 50 <= len(capability.items) <= 300, capability.name
        assert capability.required
        assert capability.description
        # Fewer groups would make intervals that are too wide to be of use, or too narrow.
        assert len(set(capability.groups())) >= 15, capability.name


def test_no_two_items_are_the_same(core):
    ids = [item.id for capability in core.capabilities for item in capability.items]
    assert len(set(ids)) == len(ids)
    texts = [
        item.model_dump_json(exclude={"id", "group"})
        for capability in core.capabilities
        for item in capability.items
    ]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_the_right_answer_stands_at_every_place_as_often(core):
    for capability in core.capabilities:
        items = [item for item in capability.items if isinstance(item, MultipleChoice)]
        for size in {len(item.choices) for item in items}:
            places = Counter(item.answer for item in items if len(item.choices) == size)
            expected = places.total() / size
            assert set(places) == set(range(size)), capability.name
            # Within 3 standard deviations of an even draw.
            spread = 3 * (expected * (1 - 1 / size)) ** 0.5
            assert all(abs(n - expected) <= spread for n in places.values()), capability.name


def test_the_longer_text_is_not_always_the_right_one(core):
    for capability in core.capabilities:
        pairs = [item for item in capability.items if isinstance(item, MinimalPair)]
        if pairs:
            differences = [len(pair.good.split()) - len(pair.bad.split()) for pair in pairs]
            assert abs(sum(differences)) <= 0.25 * len(pairs), capability.name


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
    (folder / "core" / "extra.jsonl").touch()
    (folder / "core" / "german.jsonl").unlink()
    done = _check(folder)
    assert done.returncode == 1
    named = [line.rpartition("/")[2] for line in done.stderr.splitlines()]
    assert named == ["french.jsonl", "german.jsonl", "extra.jsonl"]
