"""Verdicts must follow from numbers: every lie about one is found."""

import pytest

from driftline.certificates import claim_faults, read_certification
from driftline.errors import CertificateError


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
        required=True, change=-0.15, low=-0.2, high=-0.1, pvalue=1.0, adjusted_pvalue=1.0, verdict="inferior",
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
    document["suite_claim"] = {"verdict": "inconclusive", "pvalue": None, "num_required": 3}
    document["verdict"] = "inconclusive"
    assert faults(document) == ()


def test_nothing_required_is_nothing_passed(document):
    for claim in document["claims"]:
        claim["required"] = False
    document["suite_claim"]["num_required"] = 0
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


FULL = {
    "base": 0.8, "tuned": 0.8, "num_groups": 500, "loss_limit": 0.01,
    "flips": {"lost": [{"id": "a"}], "gained": [{"id": "b"}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_items": 0}, "a claim about 0 items"),
        ({"num_items": -3}, None),
        ({"num_items": 501}, "the claims rest on 1501 items, and the suites hold 1500"),
        ({"num_items": 10**15}, "and the suites hold 1500"),
        ({"num_items": 1}, "1 items lost and 1 gained are more than its 1 items"),
        ({"num_groups": 501}, "501 groups and 500 items"),
        ({"num_groups": 0}, "0 groups"),
        ({"flips": {"lost": [0] * 300, "gained": [0] * 300}}, "are more than its 500 items"),
        ({"flips": {"lost": [0] * 5, "gained": []}}, "is not that of 5 items lost and 0 gained"),
        ({"tuned": 0.5}, "the change 0.0 is not tuned - base"),
        ({"base": 0.81}, "the change 0.0 is not tuned - base"),
        ({"change": 0.3}, "does not lie between its limits"),
        ({"change": -0.3}, "does not lie between its limits"),
        ({"low": 0.005}, "does not lie between its limits"),
        ({"low": 0.02, "high": 0.01}, "does not lie between its limits"),
        ({"high": -0.001}, "does not lie between its limits"),
        ({"base": 1.7, "tuned": 1.7}, "base scores 1.7, and accuracy lies between 0 and 1"),
        ({"higher_is_better": False}, "lower is not better for accuracy"),
        ({"loss_limit": 0.001}, "the loss limit 0.001 is not that of its limits"),
        ({"low": None, "loss_limit": None}, "the p-value 0.01 has no limit of the loss"),
        ({"basis": "identical"}, "said to rest on identical weights, and shows a change"),
    ],
)
def test_numbers_that_contradict_one_another_are_named(document, changes, message):
    document["claims"][0].update(FULL)
    assert faults(document) == ()
    document["claims"][0].update(changes)
    if message is None:
        with pytest.raises(CertificateError, match="num_items"):
            faults(document)
        return
    assert any(message in fault for fault in faults(document)), faults(document)


@pytest.mark.parametrize("name", ["change", "low", "high", "pvalue", "margin", "base", "tuned"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), True, "0.01"])
def test_what_is_no_number_is_not_read(document, name, number):
    document["claims"][0].update(FULL)
    document["claims"][0][name] = number
    with pytest.raises(CertificateError):
        faults(document)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("pvalue", 1.5),
        ("pvalue", -0.1),
        ("adjusted_pvalue", 2.0),
        ("margin", 0.0),
        ("margin", -1.0),
    ],
)
def test_what_is_out_of_reach_is_not_read(document, name, number):
    document["claims"][0][name] = number
    with pytest.raises(CertificateError, match=name):
        faults(document)


@pytest.mark.parametrize("alpha", [0.0, -0.05, 0.6, 1.0, float("nan"), float("inf"), True, "0.05"])
def test_a_level_that_is_none_is_not_read(document, alpha):
    document["provenance"]["alpha"] = alpha
    with pytest.raises(CertificateError):
        faults(document)


def _identical(document):
    for claim in document["claims"]:
        claim.update(
            basis="identical", base=0.5, tuned=0.5, change=0.0, low=0.0, high=0.0, pvalue=0.0,
            adjusted_pvalue=0.0, verdict="non_inferior", adjusted_verdict="non_inferior",
        )  # fmt: skip
    document["suite_claim"]["pvalue"] = 0.0
    document["provenance"]["base_model"] = {"digest": "sha256:" + "1" * 64}


def test_identical_weights_have_one_digest(document):
    _identical(document)
    document["provenance"]["tuned_digest"] = "sha256:" + "1" * 64
    assert faults(document) == ()
    for other in ("sha256:" + "2" * 64, None):
        document["provenance"]["tuned_digest"] = other
        assert any("said to be identical" in fault for fault in faults(document))


def test_identical_files_are_identical_weights_where_no_digest_is_known(document):
    _identical(document)
    document["provenance"].update(base_model=None, tuned_digest=None)
    assert any("said to be identical" in fault for fault in faults(document))
    document["provenance"]["tuned"]["files"] = document["provenance"]["base"]["files"]
    assert faults(document) == ()


def test_a_suite_counts_its_required_claims(document):
    document["suite_claim"]["num_required"] = 3
    assert faults(document) == (
        "the claim about the suite counts 3 required claims, and there are 2",
    )
