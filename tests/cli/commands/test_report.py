"""`report`: a finished run shown again, and two side by side, for every kind of document."""

import json

import pytest

from driftline.results import RunComparison

from ...report.pages.test_every_page import PAGES
from ...report.sample import SCRIPT

KINDS = {name: build for name, (_, build) in PAGES.items() if name != "report"}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def folders(tmp_path):
    """Make two folders with a document each, the second with changes to its JSON."""

    def write(document, change=lambda value: value, names=("a", "b")):
        value = json.loads(document.to_json())
        made = []
        for name in names:
            folder = tmp_path / name
            folder.mkdir()
            (folder / "report.json").write_text(json.dumps(value))
            made.append(str(folder))
            change(value)
        return made

    return write


@every_kind
def test_two_equal_runs_differ_in_nothing(run, folders, tmp_path, kind):
    first, second = folders(KINDS[kind]())
    code, out, err = run("report", first, second, "--json", "--out", str(tmp_path / "both"))
    assert code == 0, err
    found = RunComparison.from_json(out)
    assert found.readings
    assert {pair.difference for pair in found.readings} <= {0.0, None}
    assert found.settings == ()
    assert found.first.verdict == found.second.verdict == KINDS[kind]().verdict
    assert (tmp_path / "both" / "report.json").read_text() == out
    assert "Two runs side by side" in (tmp_path / "both" / "report.html").read_text()


@pytest.mark.slow
@every_kind
def test_one_run_is_shown_again(run, folders, tmp_path, kind):
    document = KINDS[kind]()
    (folder,) = folders(document, names=("a",))
    code, out, err = run("report", folder, "--json")
    assert (code, out) == (0, document.to_json()), err
    code, out, _ = run("report", folder, "--out", str(tmp_path / "again"))
    assert code == 0
    assert len(out.splitlines()) <= 12
    assert (tmp_path / "again" / "report.html").read_text() == PAGES[kind][0](document)


def test_changes_and_settings_are_told(run, folders):
    def change(value):
        value["provenance"]["config_values"] = {"learning_rate": 1e-5}
        value["provenance"]["suites"][0]["digest"] = "sha256:" + "1" * 64
        value["verdict"] = "safe"
        value["forecast"] = value["forecast"][:-1]
        value["forecast"][0]["predicted_change"] -= 0.5

    document = KINDS["assess"]()
    first, second = folders(document, change)
    code, out, _ = run("report", first, second, "--json")
    assert code == 0
    found = RunComparison.from_json(out)
    pairs = {pair.capability: pair for pair in found.readings}
    moved, gone = document.forecast[0], document.forecast[-1]
    assert abs(pairs[moved.capability].difference) == pytest.approx(0.5)
    assert pairs[gone.capability].second is None
    assert pairs[gone.capability].difference is None
    told = {pair.name: (pair.first, pair.second) for pair in found.settings}
    assert told["learning_rate"][1] == "1e-05"
    assert told["suites.1.digest"][1] == "sha256:" + "1" * 12
    assert "different suites" in found.caveats[0]
    code, out, _ = run("report", first, second)
    assert code == 0
    assert len(out.splitlines()) <= 12
    assert f"a is {document.verdict.replace('_', ' ')}, b is safe" in out
    assert moved.capability in out
    code, out, _ = run("report", first, second, "-v")
    assert all(name in out for name in pairs)


def test_a_loss_is_a_fall_whichever_way_the_metric_points(run, folders):
    first, second = folders(KINDS["assess"]())
    found = RunComparison.from_json(run("report", first, second, "--json")[1])
    for forecast, pair in zip(KINDS["assess"]().forecast, found.readings, strict=True):
        lower = forecast.metric == "nll_nats"
        assert pair.first.value == (-1 if lower else 1) * forecast.predicted_change
        assert pair.first.low <= pair.first.value <= pair.first.high


def test_hostile_names_stay_text(run, folders, tmp_path):
    first, second = folders(KINDS["assess"](text=SCRIPT), names=("a", "<b>b"))
    code, _, err = run("report", first, second, "--out", str(tmp_path / "both"))
    assert code == 0, err
    page = (tmp_path / "both" / "report.html").read_text()
    assert "<script" not in page
    assert "<b>" not in page


def test_two_kinds_are_refused(run, folders):
    (first,) = folders(KINDS["assess"](), names=("a",))
    (second,) = folders(KINDS["score"](), names=("b",))
    code, out, err = run("report", first, second)
    assert (code, out) == (2, "")
    assert "give two runs of one command" in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "holds no finished run"),
        ("{", "not JSON"),
        ("[]", "schema: None is none of"),
        ('{"schema": "driftline/other/1"}', "driftline/other/1"),
        ('{"schema": ["x"]}', "schema"),
        ('{"schema": "driftline/score/1"}', "scores: Field required"),
    ],
)
def test_what_is_no_run_is_refused(run, tmp_path, text, told):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    code, out, err = run("report", str(tmp_path))
    assert (code, out) == (2, "")
    assert told in err
    assert str(tmp_path) in err


def test_a_report_is_not_replaced_without_force(run, folders, tmp_path):
    arguments = ["report", *folders(KINDS["score"]()), "--out", str(tmp_path / "both")]
    assert run(*arguments)[0] == 0
    code, _, err = run(*arguments)
    assert code == 2
    assert "--force" in err
    assert run(*arguments, "--force")[0] == 0
