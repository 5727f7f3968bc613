"""Names, items and messages from files of others steer no terminal, and put no markup into a report."""

import re
import typing
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import yaml
from pydantic import BaseModel

from driftline.cli.commands._runs import _matrix, _table
from driftline.escapes import is_printable
from driftline.report import (
    render_certification,
    render_comparison,
    render_config_comparison,
    render_html,
    render_junit,
    render_model_card,
    render_plan,
    render_repair,
    render_weight_diff,
)
from driftline.report.terminal import (
    certification_summary,
    comparison_summary,
    config_comparison_summary,
    plan_summary,
    repair_summary,
    summary,
    verification_summary,
    weight_diff_summary,
)
from driftline.results import (
    RunContents,
    RunOwner,
    RunSummary,
    StoredScore,
    Verification,
    VerificationCheck,
)
from tests.report.diff_sample import build_diff
from tests.report.sample import build
from tests.results.certification_sample import build_certification
from tests.results.comparison_sample import build_comparison, build_config_comparison
from tests.results.plan_sample import build_plan
from tests.results.repair_sample import build_repair

HOSTILE = (
    "\x1b[2J\x1b[32mPASS\x1b]0;t\x07\x9b1m\x7f\r\u202e\u2066\u2028\u2029\x85\udcff|`*<b>x</b>"
    "<script>alert(1)</script>]]>&amp;${x}[l](javascript:x)![i](x)# h\n| PASS | fake row |\n# PASS\n"
)


def hostile(value):
    """A copy with the text in every field that takes any text."""
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    if not isinstance(value, BaseModel):
        return value
    kinds = typing.get_type_hints(type(value))
    changes = {}
    for name in type(value).model_fields:
        each = getattr(value, name)
        if isinstance(each, str) and kinds[name] in (str, str | None):
            changes[name] = HOSTILE + each
        elif kinds[name] == tuple[str, ...]:
            changes[name] = tuple(HOSTILE + text for text in each)
        else:
            changes[name] = hostile(each)
    return value.model_copy(update=changes)


DOCUMENTS = {
    "comparison": build_comparison(),
    "configs": build_config_comparison(),
    "certification": build_certification(),
    "assessment": build(),
    "plan": build_plan(),
    "repair": build_repair(),
    "diff": build_diff(),
}


def verification() -> Verification:
    check = VerificationCheck(name="tuned", status="failed", message="m", faults=("f",))
    return Verification(
        verdict="fail",
        certified_verdict="pass",
        key_id="k",
        issued=None,
        expires=None,
        checks=(check,),
    )


def runs() -> RunContents:
    run = RunSummary(
        path="r", command="c", model="m", created="d", changed="d", state="in use",
        owner=RunOwner(pid=1, host="h", since="s"), num_points=1, num_scores=1, num_bytes=1,
    )  # fmt: skip
    scores = (StoredScore(point="p", capability="c", num_items=1, num_tokens=1),)
    return RunContents(run=run, scores=scores)


SUMMARIES = {
    "comparison": (DOCUMENTS["comparison"], comparison_summary),
    "configs": (DOCUMENTS["configs"], config_comparison_summary),
    "certification": (DOCUMENTS["certification"], certification_summary),
    "assessment": (DOCUMENTS["assessment"], summary),
    "plan": (DOCUMENTS["plan"], plan_summary),
    "repair": (DOCUMENTS["repair"], repair_summary),
    "diff": (DOCUMENTS["diff"], weight_diff_summary),
    "verification": (verification(), verification_summary),
    "runs": (runs(), lambda found: "\n".join(_table((found.run,)) + _matrix(found))),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_steers_no_terminal_and_no_name_fakes_a_line(name):
    document, render = SUMMARIES[name]
    text = render(hostile(document))
    assert "PASS" in text, "the text is shown, so that there is something to test"
    assert not [c for c in text if c != "\n" and not is_printable(c)]
    assert not re.search(r"^\s*(\| PASS|# PASS)", text, re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_keeps_its_text_as_escapes(name):
    text = hostile(DOCUMENTS[name]).to_json()
    assert not [c for c in text if c != "\n" and not is_printable(c)]
    assert r"\u001b[2J\u001b[32mPASS" in text
    assert r"\u202e" in text


class Tags(HTMLParser):
    """Collects the tags and their attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(name for name, _ in attrs)))


def tags(page):
    parser = Tags()
    parser.feed(page)
    return parser.found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("assessment", render_html),
        ("comparison", render_comparison),
        ("configs", render_config_comparison),
        ("plan", render_plan),
        ("repair", render_repair),
        ("diff", render_weight_diff),
        ("certification", render_certification),
    ],
)
def test_a_page_has_no_markup_of_others(name, render):
    page = render(hostile(DOCUMENTS[name]))
    assert "PASS" in page
    assert "<script>alert" not in page
    assert "<b>x" not in page
    assert {tag for tag, _ in tags(page)} == {tag for tag, _ in tags(render(DOCUMENTS[name]))}
    assert not [c for c in page if c not in "\n\t" and not is_printable(c)]
    page.encode()


def test_junit_has_no_markup_of_others():
    found = hostile(DOCUMENTS["certification"])
    text = render_junit(found)
    root = ElementTree.fromstring(text)
    plain = ElementTree.fromstring(render_junit(DOCUMENTS["certification"]))
    assert [each.tag for each in root.iter()] == [each.tag for each in plain.iter()]
    assert not [c for c in text if c != "\n" and not is_printable(c)]
    names = [case.get("name") for case in root.iter("testcase")]
    assert any("PASS" in name for name in names)
    assert "]]>" not in text.replace("]]&gt;", "")


def test_a_model_card_has_no_markup_of_others():
    card = render_model_card(hostile(DOCUMENTS["certification"]))
    plain = render_model_card(DOCUMENTS["certification"])
    assert not [c for c in card if c != "\n" and not is_printable(c)]
    head, body = card.split("\n---\n", 1)
    yaml.safe_load(head.removeprefix("---\n"))
    assert "<" not in body.replace("&lt;", "").replace("<0.0001", "")
    starts = re.findall(r"^(\||#+ |- |\*\*)", body, re.MULTILINE)
    assert starts == re.findall(r"^(\||#+ |- |\*\*)", plain.split("\n---\n", 1)[1], re.MULTILINE)
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    # In code a backslash escapes nothing, so that a backtick in it would end it.
    ticks = [len(re.findall(r"(?<!\\)`", text)) for text in (body, plain.split("\n---\n", 1)[1])]
    assert ticks[0] == ticks[1]
