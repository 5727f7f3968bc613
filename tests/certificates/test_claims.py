"""Verdicts must follow from numbers: every lie about one is found."""

import pytest

from driftline.certificates import claim_faults, read_certification


def faults(document):
    return claim_faults(read_certification(document))


def test_what_agrees_has_no_faults(document):
    assert faults(document) == ()


@pytest.mark.parametrize(
    ("claim", "changes", "message"),
    [
        (0, {"low": -0.03}, "facts: the verdict non_inferior does not follow"),
        (0, {"margin": 0.005}, "facts: the verdict non_inferior does not follow"),
        (0, {"verdict": "inferior"}, "which make it non_inferior"),
        (0, {"adjusted_verdict": "inconclusive"}, "facts: the adjusted verdict inconclusive"),
        (0, {"adjusted_pvalue": 0.02}, "facts: the adjusted p-value 0.02 is not that of Holm"),
        (0, {"adjusted_pvalue": None}, "facts: the adjusted p-value None is not that of Holm"),
        (0, {"pvalue": 0.0101}, "facts: the adjusted p-value 0.03 is not that of Holm"),
        (0, {"pvalue": 0.06}, "facts: the verdict non_inferior does not follow"),
        (0, {"pvalue": None, "adjusted_pvalue": None}, "facts: the verdict non_inferior"),
        (1, {"high": 0.025}, "text: the verdict non_inferior does not follow"),
        (1, {"higher_is_better": True, "low": -0.03}, "text: the verdict non_inferior"),
        (2, {"verdict": "non_inferior"}, "watched: the verdict non_inferior"),
        (2, {"adjusted_verdict": "non_inferior"}, "watched: the adjusted verdict non_inferior"),
        (2, {"adjusted_verdict": "inferior"}, "watched: the adjusted verdict inferior"),
        (2, {"required": True}, "the suite's verdict non_inferior does not follow"),
        (2, {"pvalue": 0.3}, "watched: the adjusted p-value 0.4 is not that of Holm, 0.3"),
    ],
)
def test_a_claim_that_does_not_follow_is_named(document, claim, changes, message):
    document["claims"][claim].update(changes)
    assert any(message in fault for fault in faults(document)), faults(document)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "inconclusive"}, "the verdict pass is better than that of the claim"),
        ({"verdict": "inconclusive"}, "the suite's verdict inconclusive does not follow"),
        ({"pvalue": 0.01}, "the suite's p-value 0.01 is not the largest of its required claims"),
        ({"pvalue": None}, "the suite's p-value None is not the largest"),
    ],
)
def test_a_claim_about_the_suite_that_does_not_follow_is_named(document, changes, message):
    document["suite_claim"].update(changes)
    assert any(message in fault for fault in faults(document)), faults(document)


def test_an_inferior_capability_fails_the_suite(document):
    document["claims"][2].update(
        required=True, low=-0.2, high=-0.1, pvalue=1.0, adjusted_pvalue=1.0, verdict="inferior",
        adjusted_verdict="inferior",
    )  # fmt: skip
    document["suite_claim"] = {"verdict": "inferior", "pvalue": 1.0}
    assert len(faults(document)) == 1
    document["verdict"] = "fail"
    assert faults(document) == ()


def test_a_claim_without_a_test_is_inconclusive_and_counts_in_the_family(document):
    document["claims"][2].update(low=None, high=None, pvalue=None, adjusted_pvalue=None)
    assert faults(document) == ()
    document["claims"][2]["required"] = True
    document["suite_claim"] = {"verdict": "inconclusive", "pvalue": None}
    document["verdict"] = "inconclusive"
    assert faults(document) == ()


def test_nothing_required_is_nothing_passed(document):
    for claim in document["claims"]:
        claim["required"] = False
    assert len(faults(document)) == 2
    document["suite_claim"] = {"verdict": "inconclusive", "pvalue": None}
    document["verdict"] = "inconclusive"
    assert faults(document) == ()


def test_a_verdict_may_be_worse_than_the_claims(document):
    document["verdict"] = "inconclusive"
    assert faults(document) == ()


def test_another_alpha_changes_what_follows(document):
    document["provenance"]["alpha"] = 0.01
    assert any("text: the verdict non_inferior" in fault for fault in faults(document))


@pytest.fixture
def policy():
    return {
        "name": "release.yaml",
        "digest": "sha256:" + "7" * 64,
        "alpha": 0.05,
        "capabilities": [
            {"name": "facts", "tier": "critical", "margin": 0.02},
            {"name": "watched", "tier": "advisory", "margin": None},
        ],
    }


def test_a_policy_that_was_kept_to_is_no_fault(document, policy):
    document["provenance"]["policy"] = policy
    assert faults(document) == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"alpha": 0.01}, "alpha is 0.05, and the policy release.yaml wants 0.01"),
        (
            {"capabilities": [{"name": "facts", "tier": "critical", "margin": 0.01}]},
            "facts: its margin is 0.02, and the policy release.yaml wants 0.01",
        ),
        (
            {"capabilities": [{"name": "watched", "tier": "critical", "margin": None}]},
            "watched: it is watched, and the policy release.yaml says critical",
        ),
        (
            {"capabilities": [{"name": "facts", "tier": "advisory", "margin": None}]},
            "facts: it is required, and the policy release.yaml says advisory",
        ),
        (
            {"capabilities": [{"name": "logic", "tier": "critical", "margin": None}]},
            "logic: the policy release.yaml names it, and no claim is about it",
        ),
    ],
)
def test_a_policy_that_was_not_kept_to_is_a_fault(document, policy, change, fault):
    document["provenance"]["policy"] = {**policy, **change}
    assert faults(document) == (fault,)
