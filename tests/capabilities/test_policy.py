"""Policies: what is read, what is refused by name, and what they change of a suite."""

import hashlib

import pytest

from driftline.capabilities import (
    Capability,
    MinimalPair,
    Suite,
    governed,
    governed_suites,
    read_policy,
)
from driftline.errors import ConfigError

GOOD = """
schema: driftline/policy/1
alpha: 0.01
capabilities:
  - {name: grammar, tier: critical, margin: 0.05}
  - {name: style, tier: advisory}
"""


def capability(name, **fields):
    items = tuple(MinimalPair(id=str(i), good=f"good {i}", bad=f"bad {i}") for i in range(2))
    return Capability(name, "minimal_pair", "accuracy", 0.1, items, **fields)


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "release.yaml"
        path.write_text(text)
        return read_policy(path)

    return read_text


def test_what_stands_in_the_file(read):
    found = read(GOOD)
    assert (found.name, found.alpha) == ("release.yaml", 0.01)
    assert found.digest == "sha256:" + hashlib.sha256(GOOD.encode()).hexdigest()
    assert [(r.name, r.tier, r.margin) for r in found.capabilities] == [
        ("grammar", "critical", 0.05),
        ("style", "advisory", None),
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("alpha: 0.01", "alpha: 0.01\nalfa: 0.2", "alfa: Extra inputs are not permitted"),
        ("margin: 0.05", "margins: 0.05", "capabilities.0.margins: Extra inputs"),
        ("tier: advisory", "tier: optional", "capabilities.1.tier: Input should be 'critical'"),
        ("margin: 0.05", "margin: 0", "capabilities.0.margin: Input should be greater than 0"),
        ("margin: 0.05", "margin: .nan", "capabilities.0.margin: "),
        ("margin: 0.05", "margin: .inf", "capabilities.0.margin: "),
        ("margin: 0.05", "margin: '0.05'", "capabilities.0.margin: Input should be a valid number"),
        ("alpha: 0.01", "alpha: 0.7", "alpha: Input should be less than or equal to 0.5"),
        ("alpha: 0.01\n", "", "alpha: Field required"),
        ("policy/1", "policy/2", "schema: Input should be 'driftline/policy/1'"),
        ("name: style", "name: grammar", "duplicate capability grammar"),
        ("{name: style, tier: advisory}", "style", "must be a mapping of keys to values"),
        (GOOD, "", "release.yaml: must be a mapping of keys to values"),
        (GOOD, "a: [", "not YAML"),
        (
            "alpha: 0.01",
            "alpha: 0.01\nalpha: 0.5",
            "line 4: duplicate key alpha (first defined on line 3)",
        ),
    ],
)
def test_every_mistake_is_named(read, old, new, fault):
    assert old in GOOD
    with pytest.raises(ConfigError) as raised:
        read(GOOD.replace(old, new))
    assert fault in str(raised.value)
    assert str(raised.value).startswith("--policy: ")
    assert "release.yaml" in str(raised.value)
    assert "_Policy" not in str(raised.value)


def test_no_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        read_policy(tmp_path / "nowhere.yaml")


def test_a_policy_sets_margin_and_tier_and_its_silence_changes_nothing(read):
    policy = read(GOOD)
    strict, loose = governed(capability("grammar", required=False), policy), capability("style")
    assert (strict.tolerance, strict.required) == (0.05, True)
    assert governed(loose, policy).tolerance == loose.tolerance
    assert not governed(loose, policy).required
    other = capability("other", required=True)
    assert governed(other, policy) == other
    assert governed(other, None) is other


def test_what_no_suite_holds_is_refused(read):
    policy = read(GOOD)
    suites = (Suite("one", (capability("grammar"),)), Suite("two", (capability("style"),)))
    found = governed_suites(suites, policy)
    assert [s.capabilities[0].required for s in found] == [True, False]
    assert [s.provenance() for s in found] == [s.provenance() for s in suites]
    assert governed_suites(suites, None) == suites
    with pytest.raises(ConfigError, match=r"no --suite holds the capability style; add its suite"):
        governed_suites(suites[:1], policy)
