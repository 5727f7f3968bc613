"""The table of model families: a handful made anew, and the committed one is that of its results."""

import json

import pytest

from evidence.families.models import FAMILIES
from evidence.families.run import COMMANDS, RESULT, TABLE, outcome_of, table


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "commands"),
    [
        ("gpt_neox", ("map",)),
        ("cohere", ("map",)),
        ("gpt_oss", ("map",)),
        ("mamba", ("score", "map")),
        ("qwen3_moe", ("map", "certify whole", "diff whole")),
    ],
)
def test_a_family_is_taken(family, commands):
    assert outcome_of(family, commands=commands) == dict.fromkeys(commands, "ok")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("bert", "no causal language model"),
        ("t5", "is a T5 model, which transformers does not open as a causal language model"),
        ("granitemoehybrid", "the trainer failed: AttributeError"),
    ],
)
def test_a_family_that_cannot_be_done_is_refused_in_one_line(family, reason):
    said = outcome_of(family, commands=("map",))["map"]
    assert said.startswith("exit ")
    assert reason in said
    assert "FAULT" not in said


def test_the_table_is_that_of_the_results():
    result = json.loads(RESULT.read_text())
    assert TABLE.read_text() == table(result)
    assert list(result["families"]) == list(FAMILIES)
    assert all(set(outcome) == set(COMMANDS) for outcome in result["families"].values())
    said = {text for outcome in result["families"].values() for text in outcome.values()}
    assert not any("FAULT" in text for text in said)
