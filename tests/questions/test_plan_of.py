"""The plan beside a protocol, whatever else lies there."""

import json

import pytest

from driftline.questions.training_runs._plan_of import plan_of
from tests.results.plan_sample import build_plan


def written(folder, text):
    (folder / "protocol.yaml").write_text("schema: driftline/protocol/1\n")
    if text is not None:
        (folder / "report.json").write_bytes(text)
    return folder / "protocol.yaml"


def plan(keys):
    document = json.loads(build_plan().to_json())
    document["provenance"]["chosen_on"] = keys
    return json.dumps(document).encode()


def test_the_plan_is_named_by_its_folder(tmp_path):
    protocol = written(tmp_path, plan(["0123456789abcdef"]))
    assert plan_of(protocol) == plan_of(str(protocol)) == str(tmp_path)
    protocol.rename(tmp_path / "mine.yaml")
    assert plan_of(tmp_path / "mine.yaml") is None


@pytest.mark.parametrize(
    "text",
    [None, b"", b"[]", b"null", b"3", b"{", b"\xe9", b'{"schema": "driftline/plan/1"}', plan([])],
)
def test_what_is_no_plan_stops_no_training(tmp_path, text):
    assert plan_of(written(tmp_path, text)) is None


@pytest.mark.parametrize("given", [None, {"learning_rate": 1e-4}, 3])
def test_a_protocol_in_memory_has_no_plan_beside_it(given):
    assert plan_of(given) is None
