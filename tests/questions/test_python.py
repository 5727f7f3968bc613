"""One call a question in Python: the command's document, nothing printed, nothing left behind."""

import json
import tempfile

import datasets
import pandas
import pytest
import torch
from trl import SFTConfig

import driftline
from driftline.capabilities import Suite
from driftline.errors import ConfigError, DataError, InputError, ModelError, OutputError, SuiteError
from driftline.models import open_model, weights_digest


def without_times(document: dict) -> dict:
    document["cost"].pop("wall_seconds")
    document["provenance"].pop("created")
    return document


@pytest.fixture
def call(planned):
    """The inputs of the planned run, by name."""
    return {"data": str(planned.data), "config": str(planned.config), "suites": planned.suite}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders of a question go."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.mark.slow
def test_a_call_gives_the_document_and_the_files_of_its_command(
    run, planned, call, tmp_path, capsys
):
    code, out, err = run(*planned.arguments("forecast"), "--json")
    assert code in (0, 1, 3), err
    answer = driftline.forecast(planned.model, **call, out=tmp_path / "python")
    assert capsys.readouterr() == ("", "")
    assert without_times(json.loads(answer.to_json())) == without_times(json.loads(out))
    names = [
        {path.name for path in place.iterdir()} for place in (planned.out, tmp_path / "python")
    ]
    assert names[0] == names[1]
    assert answer.folder == tmp_path / "python"
    assert (answer.folder / "report.json").read_text() == answer.to_json()
    # The same call again names the finished run; force replaces it.
    with pytest.raises(OutputError, match="finished run"):
        driftline.forecast(planned.model, **call, out=tmp_path / "python")


@pytest.mark.slow
def test_objects_in_memory_give_the_numbers_of_files_and_stay_as_they_were(
    planned, call, temporary
):
    expected = driftline.forecast(planned.model, **call)
    opened = open_model(planned.model)
    before = weights_digest(opened.model), opened.model.config.to_json_string(use_diff=False)
    rows = [json.loads(line) for line in planned.data.read_text().splitlines()]
    fields = {
        "learning_rate": 1e-3, "max_steps": 10, "per_device_train_batch_size": 4, "max_length": 64,
        "activation_checkpointing": False, "seed": 0,
    }  # fmt: skip
    suite = driftline.read_suite(planned.suite)
    with torch.random.fork_rng():
        found = [
            driftline.forecast(
                (opened.model, opened.tokenizer),
                data=data,
                config=config,
                suites=suites,
            )
            for data, config, suites in (
                (rows, fields, suite),
                (
                    datasets.Dataset.from_list(rows),
                    SFTConfig(output_dir=str(temporary / "own"), use_cpu=True, **fields),
                    [suite],
                ),
            )
        ]
    for answer in found:
        assert [c.predicted_change for c in answer.forecast] == [
            c.predicted_change for c in expected.forecast
        ]
        assert str(temporary) not in answer.to_json()
        assert answer.provenance.model.source == "LlamaForCausalLM in memory"
        assert answer.provenance.data.name == "rows in memory"
    after = weights_digest(opened.model), opened.model.config.to_json_string(use_diff=False)
    assert after == before
    assert [p for p in temporary.iterdir() if not p.name.startswith("driftline-rows-")] == []


def test_without_a_folder_nothing_is_left_behind(planned, temporary, monkeypatch, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    answer = driftline.score(planned.model, suites=planned.suite)
    assert answer.folder is None
    assert list(temporary.iterdir()) == list(work.iterdir()) == []


WRONG = [
    ({"config": "nowhere.yaml"}, ConfigError, "nowhere.yaml"),
    ({"config": {"learning_rat": 1}}, ConfigError, "learning_rat"),
    ({"config": 3}, ConfigError, "int; give a path, a dict, or an SFTConfig"),
    ({"data": []}, DataError, "list of dicts"),
    ({"data": [1, 2]}, DataError, "list of dicts"),
    ({"data": [{"text": "a"}, {"text": 3}]}, DataError, "same kinds of values"),
    ({"data": 7}, DataError, "int; give a path"),
    ({"suites": ()}, SuiteError, "no suite"),
    ({"suites": [3]}, SuiteError, "3: is no suite"),
    ({"suites": [Suite("mine", ())]}, SuiteError, "suite mine: holds no capability"),
    ({"suites": "nowhere.yaml"}, SuiteError, "nowhere.yaml"),
    ({"probe": "0.15"}, ConfigError, "--probe '0.15'"),
    ({"probe": 0.2}, ConfigError, "--probe 0.2"),
    ({"method": "guess"}, ConfigError, "--method"),
    ({"until": "sure"}, ConfigError, "--until 'sure'"),
    ({"until": True}, ConfigError, "--until True"),
    ({"until": "decided", "method": "mean"}, ConfigError, "--until decided: takes Driftline's own"),
    ({"risk": "0.1"}, ConfigError, "--risk '0.1'"),
    ({"risk": True}, ConfigError, "--risk True"),
    ({"risk": None}, ConfigError, "--risk None"),
    ({"risk": 0}, ConfigError, "--risk 0: must be a probability above 0 and below 0.5"),
    ({"risk": 0.5}, ConfigError, "--risk 0.5"),
    ({"risk": float("nan")}, ConfigError, "--risk nan"),
    ({"items": 1}, ConfigError, "--items 1"),
    ({"items": 2.5}, ConfigError, "--items 2.5"),
    ({"seed": -1}, ConfigError, "--seed -1"),
    ({"seed": True}, ConfigError, "--seed True"),
    ({"dtype": "float16"}, ConfigError, "--dtype"),
    ({"load_in": "2bit"}, ConfigError, "--load-in"),
    ({"engine": "cloud"}, ConfigError, "--engine"),
    ({"workers": 2}, ConfigError, "--engine ray"),
    ({"calibration": 3}, ConfigError, "--calibration: is a int"),
    ({"out": 3}, ConfigError, "--out: is a int"),
    ({"model": 3}, ModelError, "model: is a int"),
    ({"model": "nowhere/at all/x"}, ModelError, "nowhere"),
]


@pytest.mark.parametrize(("wrong", "kind", "said"), WRONG)
def test_what_is_wrong_is_an_input_error_that_names_it(planned, call, capsys, wrong, kind, said):
    given = {"model": planned.model, **call, "out": planned.out, **wrong}
    with pytest.raises(kind) as error:
        driftline.forecast(given.pop("model"), **given)
    assert said in str(error.value)
    assert isinstance(error.value, InputError)
    assert capsys.readouterr() == ("", "")
    assert not planned.out.exists()


def test_a_model_without_its_tokenizer_is_refused(planned):
    opened = open_model(planned.model)
    with pytest.raises(ModelError, match=r"needs its tokenizer; give \(model, tokenizer\)"):
        driftline.score(opened.model, suites=planned.suite)


def test_an_answer_shows_itself(planned, call):
    answer = driftline.forecast(planned.model, **call)
    assert answer.verdict == answer.document.verdict
    frame = answer.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["capability"]) == ["pairs", "text"]
    rows = sorted(answer.forecast, key=lambda row: row.capability)
    assert list(frame["forecast_change"]) == [c.predicted_change for c in rows]
    assert list(frame["forecast_verdict"]) == [c.verdict for c in rows]
    text = answer.to_markdown()
    assert text.startswith(f"# driftline forecast: {answer.verdict}\n")
    assert "| pairs |" in text
    assert answer.summary() == str(answer)
    page = answer._repr_html_()
    assert page.startswith("<iframe")
    # The page is one attribute: no quote or tag of its own ends it.
    assert page.count("<") == 2
    assert page.count('"') == 10
    with pytest.raises(AttributeError):
        str(answer.nothing)


def test_names_of_others_are_no_markup(planned, tmp_path):
    suite = tmp_path / "hostile.yaml"
    name = "a|b</pre><script>alert(1)</script>\\n# c"
    suite.write_text(
        "schema: driftline/suite/1\ncapabilities:\n"
        f"  - {{name: '{name}', scorer: perplexity, metric: nll_nats, tolerance: 0.1, items: "
        "[{id: a, text: It rained.}, {id: b, text: She ran home.}]}\n"
    )
    answer = driftline.score(planned.model, suites=str(suite))
    assert "<script" not in answer._repr_html_()
    rows = [line for line in answer.to_markdown().splitlines() if line.startswith("| a")]
    assert len(rows) == 1
    assert "<script" not in answer.to_markdown().replace("\\<", "")


def test_a_diff_and_a_suite_have_rows_too(planned):
    diff = driftline.diff(planned.model, planned.model)
    assert diff.folder is None
    assert len(diff.to_pandas()) == len(diff.by_module)
    power = driftline.suite_power(planned.suite)
    assert list(power.to_pandas()["capability"]) == ["pairs", "text"]
    assert power._repr_html_().startswith("<pre>")


def test_a_dry_run_counts_and_writes_nothing(planned, call, temporary):
    real = driftline.forecast(planned.model, **call)
    answer = driftline.forecast(planned.model, **call, out=planned.out, dry_run=True)
    assert not planned.out.exists()
    opened = open_model(planned.model)
    assert answer.num_parameters == sum(p.numel() for p in opened.model.parameters())
    assert answer.num_steps == 10
    assert answer.tokens_trained > 0
    assert answer.tokens_forward == pytest.approx(real.cost.tokens_forward, rel=0.3)
    assert answer.tokens_trained == pytest.approx(real.cost.tokens_backward, rel=0.25)
    assert answer.minutes > 0
    assert "DRY RUN of forecast" in answer.summary()
