"""A certification as JUnit XML: nothing but a retained capability passes."""

from xml.etree import ElementTree

import pytest

from driftline.report import render_junit
from tests.results.certification_sample import KEPT, OPEN, build_certification


def parsed(*claims):
    root = ElementTree.fromstring(render_junit(build_certification(*claims)))
    (suite,) = root
    return suite


def counts(suite):
    return tuple(int(suite.get(k)) for k in ("tests", "failures", "errors", "skipped"))


def changed(**update):
    return KEPT.model_copy(update=update)


def test_each_claim_is_a_test_and_the_suite_is_the_first():
    suite = parsed()
    names = [case.get("name") for case in suite]
    assert names == [
        "all required capabilities retained",
        "facts",
        "bad\N{REPLACEMENT CHARACTER}[31mname",
    ]
    assert counts(suite) == (3, 0, 2, 0)
    assert [child.tag for child in suite[1]] == ["system-out"]
    assert "loss below 0.0140, margin 0.0200" in suite[1].find("system-out").text
    assert "too few" in suite[2].find("error").get("message")
    assert suite.get("time") is not None


@pytest.mark.parametrize(
    ("verdict", "required", "kind"),
    [
        ("non_inferior", True, None),
        ("inferior", True, "failure"),
        ("inconclusive", True, "error"),
        ("non_inferior", False, None),
        ("inferior", False, "skipped"),
        ("inconclusive", False, "skipped"),
    ],
)
def test_only_what_is_retained_passes_and_what_is_watched_never_fails(verdict, required, kind):
    case = parsed(changed(verdict=verdict, required=required))[1]
    assert [child.tag for child in case if child.tag != "system-out"] == ([kind] if kind else [])


def test_what_xml_cannot_hold_and_what_it_would_read_is_text():
    nasty = "<a>&\"'\x00\ud800\ufffe]]>"
    suite = parsed(changed(capability=nasty, reason=nasty, verdict="inconclusive"), OPEN)
    assert suite[1].get("name").startswith("<a>&\"'")
    assert "\x00" not in suite[1].get("name")
