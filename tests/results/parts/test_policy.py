"""A policy as a value: what it says of a capability, and what it cannot be."""

import pytest
from pydantic import ValidationError

from driftline.results import CertificationPolicy, PolicyRule

POLICY = CertificationPolicy(
    name="release.yaml",
    digest="sha256:0",
    alpha=0.05,
    capabilities=(
        PolicyRule(name="facts", tier="critical", margin=0.02),
        PolicyRule(name="style", tier="advisory"),
    ),
)


def test_what_it_says_of_a_capability():
    assert POLICY.rule("facts").margin == 0.02
    assert POLICY.rule("style").margin is None
    assert POLICY.rule("other") is None
    assert CertificationPolicy.model_validate_json(POLICY.model_dump_json()) == POLICY


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf"), "0.1", True])
def test_a_margin_is_a_number_above_0(margin):
    with pytest.raises(ValidationError):
        PolicyRule(name="facts", tier="critical", margin=margin)


@pytest.mark.parametrize("alpha", [0, 0.6, float("nan")])
def test_alpha_is_a_share_up_to_a_half(alpha):
    with pytest.raises(ValidationError):
        CertificationPolicy(name="a", digest="b", alpha=alpha, capabilities=())
