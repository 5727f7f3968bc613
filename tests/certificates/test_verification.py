"""A certificate holds only as it was signed, for these files, in its time."""

import json
from datetime import timedelta, timezone

import pytest

from driftline.certificates import (
    MAX_VALID_DAYS,
    AskedSuite,
    Evidence,
    Validity,
    WatchedCapability,
    canonical_json,
    file_digest,
    generate_key,
    key_id,
    read_envelope,
    seal,
    sign_certification,
    verify_certificate,
    write_envelope,
    write_statement,
)
from driftline.errors import CertificateError
from driftline.results import CertificationPolicy, PolicyRule, Verification

from .conftest import NOW, SUITE_DIGEST

NOTHING = Evidence()
WATCHED = (
    WatchedCapability("facts", 0.02, True),
    WatchedCapability("text", 0.02, True),
    WatchedCapability("watched", 0.02, False),
)
CORE = AskedSuite("core", SUITE_DIGEST, WATCHED)


@pytest.fixture
def certificate(document, key):
    return sign_certification(document, key, issued=NOW, valid_days=30)


def verify(content, key, evidence=NOTHING, *, now=NOW):
    return verify_certificate(content, key.public_key(), now=now, evidence=evidence)


def failed(found):
    assert found.verdict == "refused"
    return {check.name: check.faults for check in found.checks if check.status == "failed"}


def statuses(found):
    return {check.name: check.status for check in found.checks}


def reforged(document, key, change=lambda value: None, *, name=None):
    """A statement signed with the right key, whatever it says."""
    validity = Validity(NOW, NOW + timedelta(days=30))
    name = name or key_id(key.public_key())
    value = json.loads(write_statement(document, validity, key_id=name))
    change(value)
    return seal(canonical_json(value), key)


def test_everything_that_is_given_is_checked(certificate, key, folders):
    base, tuned = folders
    found = verify(certificate, key, Evidence(tuned, base, None, (CORE,)))
    assert found.verdict == found.certified_verdict == "pass"
    assert statuses(found) == {
        "envelope": "passed", "signature": "passed", "payload": "passed", "validity": "passed",
        "tuned": "passed", "base": "passed", "manifest": "skipped", "suites": "passed",
        "policy": "skipped",
        "claims": "passed",
    }  # fmt: skip
    assert found.issued == "2026-06-01T12:00:00+00:00"
    assert found.expires == "2026-07-01T12:00:00+00:00"
    assert Verification.from_json(found.to_json()) == found


def test_every_single_byte_flip_is_refused(certificate, key):
    """At each position one bit of the byte, the bits in turn, and the bit that tells case."""
    for index in range(len(certificate)):
        for bit in {index % 8, 5}:
            changed = bytearray(certificate)
            changed[index] ^= 1 << bit
            assert verify(bytes(changed), key).certified_verdict is None, (index, bit)
    assert verify(certificate, key).verdict == "pass"


def test_white_space_and_encoding_are_refused(certificate, key):
    value = json.loads(certificate)
    for text in (
        json.dumps(value).encode() + b"\n",
        b"\xef\xbb\xbf" + certificate,
        certificate.decode().encode("utf-16"),
        certificate + b"\n",
        b" " + certificate,
        certificate.replace(b'"payload"', b'"p\\u0061yload"'),
    ):
        assert list(failed(verify(text, key))) == ["envelope"]


def test_another_key_has_its_own_message(certificate, key):
    other = generate_key()
    found = verify(certificate, other)
    assert "signed by another key" in failed(found)["signature"][0]
    assert found.certified_verdict is None
    assert statuses(found)["claims"] == "skipped"
    assert len(found.checks) == 10


def test_a_signature_of_another_key_under_this_name_is_refused(document, key):
    other = generate_key()
    envelope = read_envelope(sign_certification(document, other, issued=NOW, valid_days=30))
    forged = write_envelope(envelope._replace(key_id=key_id(key.public_key())))
    (fault,) = failed(verify(forged, key))["signature"]
    assert "is not that of this payload" in fault


def test_a_payload_that_names_another_key_is_refused(document, key):
    forged = reforged(document, key, name="other")
    assert "names another key" in failed(verify(forged, key))["payload"][0]


def test_a_payload_that_is_not_canonical_is_refused_though_it_is_signed(certificate, key):
    payload = json.dumps(json.loads(read_envelope(certificate).payload)).encode()
    assert "not in its canonical form" in failed(verify(seal(payload, key), key))["payload"][0]


def test_another_kind_of_statement_is_refused_though_it_is_signed(certificate, key):
    forged = seal(b'{"a":1}', key)
    assert "is no statement of ours" in failed(verify(forged, key))["payload"][0]


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (timedelta(seconds=-1), "not valid before 2026-06-01T12:00:00+00:00"),
        (timedelta(days=30), "expired on 2026-07-01T12:00:00+00:00"),
    ],
)
def test_it_holds_in_its_time_only(certificate, key, later, message):
    found = verify(certificate, key, now=NOW + later)
    assert message in failed(found)["validity"][0]
    assert found.certified_verdict == "pass"
    assert verify(certificate, key, now=NOW + timedelta(days=30, seconds=-1)).verdict == "pass"


def test_other_weights_are_refused(certificate, key, folders):
    base, tuned = folders
    (tuned / "model.safetensors").write_bytes(b"Tuned weights")
    (tuned / "pytorch_model.bin").write_bytes(b"")
    (base / "config.json").unlink()
    faults = failed(verify(certificate, key, Evidence(tuned, base)))
    assert "model.safetensors was changed" in faults["tuned"][0]
    assert "pytorch_model.bin holds weights that were not certified" in faults["tuned"][1]
    assert faults["base"] == ("config.json is missing",)


def test_the_base_is_not_the_tuned_model(certificate, key, folders):
    assert list(failed(verify(certificate, key, Evidence(tuned=folders[0])))) == ["tuned"]


def test_another_suite_is_refused(certificate, key):
    other = AskedSuite("mine", "sha256:" + "6" * 64, WATCHED)
    faults = failed(verify(certificate, key, Evidence(suites=(other, CORE))))
    assert faults["suites"] == (
        f"mine ({other.digest}) is another suite than core ({SUITE_DIGEST})",
    )


@pytest.mark.parametrize(
    "wanted",
    [
        WatchedCapability("facts", 0.01, True),
        WatchedCapability("watched", 0.02, True),
        WatchedCapability("logic", 0.02, True),
    ],
)
def test_a_suite_with_another_tolerance_or_more_claims_is_refused(certificate, key, wanted):
    asked = AskedSuite("core", SUITE_DIGEST, (*WATCHED, wanted))
    (fault,) = failed(verify(certificate, key, Evidence(suites=(asked,))))["suites"]
    assert f"no claim is about {wanted.name} with a margin of {wanted.tolerance}" in fault


def test_claims_that_do_not_add_up_are_refused_though_they_are_signed(document, key):
    document["claims"][2]["required"] = True
    forged = reforged(document, key)
    faults = failed(verify(forged, key))
    assert list(faults) == ["claims"]
    assert "the suite's verdict non_inferior does not follow" in faults["claims"][0]


def test_a_manifest_is_a_subject(document, key, folders):
    path = folders[1] / "model.sig"
    path.write_bytes(b"manifest")
    subject = file_digest(path)
    content = sign_certification(document, key, issued=NOW, valid_days=1, manifest=subject)
    given = Evidence(tuned=folders[1], manifest=path)
    assert statuses(verify(content, key, given))["manifest"] == "passed"
    assert statuses(verify(content, key, given))["tuned"] == "passed"
    path.write_bytes(b"another")
    assert "model.sig has SHA-256" in failed(verify(content, key, given))["manifest"][0]


def test_a_manifest_that_was_not_certified_is_refused(certificate, key, folders):
    given = Evidence(manifest=folders[1] / "config.json")
    assert failed(verify(certificate, key, given)) == {"manifest": ("no manifest was certified",)}


def test_what_was_certified_is_the_verdict(document, key):
    document["verdict"] = "inconclusive"
    content = sign_certification(document, key, issued=NOW, valid_days=1)
    assert verify(content, key).verdict == "inconclusive"


def test_evidence_that_is_not_there_is_bad_input(certificate, key, tmp_path):
    with pytest.raises(CertificateError, match="no such folder or file"):
        verify(certificate, key, Evidence(tuned=tmp_path / "nowhere"))


def _policy(*rules, alpha=0.05, digest="7" * 64):
    return CertificationPolicy(
        name="release.yaml",
        digest=f"sha256:{digest}",
        alpha=alpha,
        capabilities=tuple(PolicyRule(name=n, tier=t, margin=m) for n, t, m in rules),
    )


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (_policy(("facts", "critical", 0.02)), None),
        (_policy(("facts", "critical", 0.5), alpha=0.5), None),
        (_policy(("facts", "advisory", None), ("watched", "advisory", 0.02)), None),
        (
            _policy(("facts", "critical", 0.01)),
            "facts: its margin is 0.02, and release.yaml allows",
        ),
        (
            _policy(("facts", "critical", None), alpha=0.01),
            "alpha is 0.05, and release.yaml allows",
        ),
        (_policy(("watched", "critical", None)), "watched: it is watched, and release.yaml says"),
        (_policy(("logic", "advisory", None)), "logic: release.yaml names it, and no claim"),
    ],
)
def test_what_was_certified_under_no_policy_must_keep_to_each_rule(document, key, policy, fault):
    found = verify(reforged(document, key), key, Evidence(policy=policy))
    if fault is None:
        assert found.verdict == "pass"
        assert "no policy" in next(c.message for c in found.checks if c.name == "policy")
    else:
        assert fault in failed(found)["policy"][0]


RULES = (("facts", "critical", 0.02), ("watched", "advisory", None))


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (_policy(*RULES), None),
        (_policy(*RULES[::-1], digest="8" * 64), None),
        (_policy(*RULES, alpha=0.1), "with alpha 0.05, and release.yaml says 0.1"),
        (_policy(("facts", "critical", 0.5), RULES[1]), "with margin 0.02, and release.yaml says"),
        (
            _policy(("facts", "critical", 0.001), RULES[1]),
            "with margin 0.02, and release.yaml says",
        ),
        (_policy(RULES[0], ("watched", "critical", None)), "watched: it was certified under"),
        (_policy(RULES[0]), "watched: it was certified under"),
        (_policy(*RULES, ("logic", "advisory", None)), "logic: it was certified under"),
    ],
)
def test_what_was_certified_under_a_policy_must_be_under_the_same_rules(
    document, key, policy, fault
):
    document["provenance"]["policy"] = _policy(*RULES).model_dump()
    content = reforged(document, key)
    found = verify(content, key, Evidence(policy=policy))
    if fault is None:
        assert (found.verdict, statuses(found)["policy"]) == ("pass", "passed")
    else:
        assert fault in failed(found)["policy"][0]
    assert statuses(verify(content, key))["policy"] == "skipped"


@pytest.mark.parametrize(
    ("issued", "expires", "check", "message"),
    [
        ("2026-06-01T12:00:00+00:00", "2036-07-01T12:00:00+00:00", "validity", "3650 days"),
        ("2026-06-01T12:00:00+00:00", "9999-12-31T23:59:59+00:00", "validity", "3650 days"),
        ("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "validity", "3650 days"),
        ("2026-07-01T12:00:00+00:00", "2026-06-01T12:00:00+00:00", "validity", "not after"),
        ("2026-06-01T12:00:00+00:00", "2026-06-01T12:00:00+00:00", "validity", "not after"),
        ("2026-06-01T12:00:01+00:00", "2026-07-01T12:00:00+00:00", "validity", "not valid before"),
        ("2026-06-01T12:00:00+00:00", "9999-12-31T23:59:59-14:00", "payload", "calendar"),
        ("0001-01-01T00:00:00+14:00", "2026-07-01T12:00:00+00:00", "payload", "calendar"),
        ("2026-06-01T12:00:00+00:00", "2026-12-31T23:59:60+00:00", "payload", "expires"),
        ("2026-06-01T12:00:00+00:00", "10000-01-01T00:00:00+00:00", "payload", "expires"),
        ("2026-06-01T12:00:00", "2026-07-01T12:00:00+00:00", "payload", "issued"),
        ("2026-06-01T12:00:00+99:00", "2026-07-01T12:00:00+00:00", "payload", "issued"),
        (1780000000, "2026-07-01T12:00:00+00:00", "payload", "issued"),
    ],
)
def test_dates_at_the_edge_and_in_no_order_are_refused(
    document, key, issued, expires, check, message
):
    def change(value):
        value["predicate"].update(issued=issued, expires=expires)

    faults = failed(verify(reforged(document, key, change), key))
    assert any(message in fault for fault in faults[check]), faults


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
def test_time_zones_do_not_matter(document, key, zone):
    issued = NOW.astimezone(zone)
    content = sign_certification(document, key, issued=issued, valid_days=30)
    assert content == sign_certification(document, key, issued=NOW, valid_days=30)
    assert verify(content, key, now=NOW.astimezone(zone)).verdict == "pass"


def test_the_longest_validity_that_is_signed_is_verified(document, key):
    content = sign_certification(document, key, issued=NOW, valid_days=MAX_VALID_DAYS)
    assert verify(content, key).verdict == "pass"


def left_out(document, counts):
    document["provenance"]["chosen_by"] = [{"name": "run-repair", "digest": "sha256:" + "1" * 64}]
    document["provenance"]["num_left_out"] = counts
    return document


def test_items_that_are_left_out_are_said_without_a_suite(document, key):
    name = document["claims"][0]["capability"]
    suite = document["provenance"]["suites"][0]
    suite["num_records"] = 12 + sum(claim["num_items"] for claim in document["claims"])
    found = verify(reforged(left_out(document, {name: 12}), key), key)
    assert statuses(found)["claims"] == "passed"
    (check,) = (c for c in found.checks if c.name == "claims")
    assert found.num_left_out == 12
    assert check.message.endswith("; 12 items are left out, by which run-repair chose the model")


@pytest.mark.parametrize(
    ("name", "num", "fault"),
    [
        (None, 13, "items without 13 that are left out, and the suites hold"),
        ("nonexistent", 12, "items of nonexistent are left out, and no claim is about it"),
    ],
)
def test_more_items_left_out_than_there_are_is_refused(document, key, name, num, fault):
    suite = document["provenance"]["suites"][0]
    suite["num_records"] = 12 + sum(claim["num_items"] for claim in document["claims"])
    forged = reforged(left_out(document, {name or document["claims"][0]["capability"]: num}), key)
    (found,) = failed(verify(forged, key))["claims"]
    assert fault in found
