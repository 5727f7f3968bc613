"""A certification as JUnit XML, which CI systems show test by test."""

import re
from xml.etree import ElementTree

from ..escapes import replaced
from ..results import CapabilityClaim, Certification, SuiteClaim
from ..results.readings import in_points, number, with_rise

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot express."""


def render_junit(document: Certification) -> str:
    """Write a certification as one test suite: the claim about all required capabilities, and each.

    inferior is a failure and inconclusive an error, so that neither passes. A capability that is
    only watched never fails the job: where it was not shown to be retained, it counts as skipped.

    Args:
        document: The certification.

    Returns:
        An XML document.
    """
    document = in_points(document)
    suite = ElementTree.Element("testsuite", name="driftline certify")
    suite.set("timestamp", document.provenance.created.partition("+")[0])
    suite.set("time", f"{document.cost.wall_seconds:.1f}")
    _add_suite_claim(suite, document.suite_claim)
    for claim in document.claims:
        _add_claim(suite, claim)
    suite.set("tests", str(len(suite)))
    for kind, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(plural, str(len(suite.findall(f"testcase/{kind}"))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    # The one place that all text passes, fields that hold no names as a rule included.
    for each in root.iter():
        each.text = each.text and _text(each.text, keep="\n")
        for name, value in each.items():
            each.set(name, _text(value))
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _add_suite_claim(suite: ElementTree.Element, claim: SuiteClaim) -> None:
    case = ElementTree.SubElement(suite, "testcase", classname="driftline.suite", name=claim.claim)
    _add_outcome(case, claim.verdict, claim.reason or claim.verdict, is_required=True)


def _add_claim(suite: ElementTree.Element, claim: CapabilityClaim) -> None:
    classname = f"driftline.{'required' if claim.required else 'watched'}"
    case = ElementTree.SubElement(
        suite, "testcase", classname=classname, name=_text(claim.capability)
    )
    unit, limit, margin = claim.unit, claim.loss_limit, claim.margin
    said = (
        f"{claim.metric} {number(claim.base)} to {number(claim.tuned)} {unit} over "
        f"{claim.num_items:,} items in {claim.num_groups:,} groups; loss below "
        f"{with_rise(number(limit), unit, limit)}, margin {with_rise(number(margin), unit, margin)}"
    )
    _add_outcome(
        case, claim.verdict, f"{claim.reason or claim.verdict}: {said}", is_required=claim.required
    )
    ElementTree.SubElement(case, "system-out").text = _text(said)


def _add_outcome(
    case: ElementTree.Element, verdict: str, message: str, *, is_required: bool
) -> None:
    if verdict == "non_inferior":
        return
    if not is_required:
        ElementTree.SubElement(case, "skipped", message=_text(f"watched, {verdict}: {message}"))
        return
    kind = "failure" if verdict == "inferior" else "error"
    ElementTree.SubElement(case, kind, type=verdict, message=_text(message))


def _text(text: str, *, keep: str = "") -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", replaced(text, keep=keep))
