"""`driftline.compare` in Python: checkpoints or configs, from files and from memory."""

import json

import pandas
import pytest
import torch
from trl import SFTConfig

import driftline
from driftline.errors import ConfigError, InputError, ModelError
from tests import tiny

SUITE = """
schema: driftline/suite/1
capabilities:
  - name: texts
    scorer: perplexity
    metric: nll_nats
    tolerance: 0.2
    items:
"""
TEXTS = "".join(f'      - {{id: "{i}", text: "It rained on day {i}."}}\n' for i in range(8))
ROWS = [{"prompt": f"{i} + {i} =", "completion": f" {2 * i}"} for i in range(24)]


def noised(std, seed=0):
    model = tiny.model()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=std)
    return model


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.yaml"
    path.write_text(SUITE + TEXTS)
    return str(path)


def test_checkpoints_in_memory_are_compared_as_files_are(model_folder, texts, tmp_path, capsys):
    models = [noised(1e-5), noised(1.0, seed=1)]
    places = []
    for number, model in enumerate(models, start=1):
        places.append(tmp_path / f"tuned-{number}")
        model.save_pretrained(places[-1])
    capsys.readouterr()
    files = driftline.compare(model_folder, places, suites=texts, data=ROWS, out=tmp_path / "out")
    assert capsys.readouterr() == ("", "")
    memory = driftline.compare(str(model_folder), models, suites=texts, data=ROWS)
    assert [each.label for each in memory.checkpoints] == ["tuned-1", "tuned-2"]
    assert [each.source for each in memory.checkpoints] == ["LlamaForCausalLM in memory"] * 2
    for one, other in zip(memory.checkpoints, files.checkpoints, strict=True):
        assert (one.verdict, one.worst_loss, one.gain) == (
            other.verdict, other.worst_loss, other.gain,
        )  # fmt: skip
    assert memory.folder is None
    assert (tmp_path / "out" / "comparison.json").read_text() == files.to_json()
    frame = files.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["label"]) == ["tuned-1", "tuned-2"]
    assert list(frame["gain"]) == [each.gain.gain for each in files.checkpoints]
    assert list(frame["gain_low"]) == [each.gain.low for each in files.checkpoints]
    text = files.to_markdown()
    assert text.startswith(f"# driftline comparison: {files.verdict}\n")
    assert "| tuned-1 |" in text
    assert "worst_loss" in text
    assert files._repr_html_().startswith("<iframe")
    assert (tmp_path / "out" / "summary.txt").read_text() in files.summary(verbose=True)


def test_one_checkpoint_and_no_rows_leave_the_gain_undefined(model_folder, texts):
    tuned = noised(1e-5)
    answer = driftline.compare(model_folder, tuned, suites=texts)
    assert answer.to_pandas()["gain"].isna().all()
    opened = driftline.open_model(str(model_folder))
    pair = driftline.compare(model_folder, (tuned, opened.tokenizer), suites=texts)
    assert len(pair.checkpoints) == 1


@pytest.mark.slow
def test_configs_are_compared_from_files_dicts_and_trl_arguments(planned, tmp_path):
    rows = [json.loads(line) for line in planned.data.read_text().splitlines()]
    fields = {
        "max_steps": 4, "per_device_train_batch_size": 4, "max_length": 64,
        "activation_checkpointing": False, "seed": 0,
    }  # fmt: skip
    gentle = SFTConfig(output_dir=str(tmp_path / "own"), use_cpu=True, learning_rate=1e-5, **fields)
    configs = {"gentle": gentle, "usual": {"learning_rate": 1e-3, **fields}}
    named = driftline.compare(planned.model, configs=configs, data=rows, suites=planned.suite)
    assert [each.label for each in named.configs] == ["gentle", "usual"]
    frame = named.to_pandas()
    assert list(frame["label"]) == ["gentle", "usual"]
    assert list(frame["worst_loss"]) == [each.worst_loss for each in named.configs]
    assert named.to_markdown().startswith(f"# driftline config-comparison: {named.verdict}\n")
    assert named._repr_html_().startswith("<iframe")
    listed = driftline.compare(
        planned.model, configs=list(configs.values()), data=rows, suites=planned.suite
    )
    assert [each.label for each in listed.configs] == ["config 1", "config 2"]
    assert list(listed.to_pandas()["worst_loss"]) == list(frame["worst_loss"])


GENTLE = {"learning_rate": 1e-5, "max_steps": 4}


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({}, ConfigError, "compare: names no checkpoint"),
        ({"checkpoints": []}, ConfigError, "compare: names no checkpoint"),
        ({"checkpoints": [3]}, ModelError, "tuned-1: is a int"),
        ({"checkpoints": "./nowhere"}, ModelError, "./nowhere: no such folder"),
        ({"checkpoints": ["x"], "configs": [GENTLE, GENTLE]}, ConfigError, "x is compared after"),
        ({"configs": 3}, ConfigError, "--config: is a int"),
        ({"configs": [GENTLE]}, ConfigError, "one config has nothing to be compared with"),
        ({"configs": "sft.yaml"}, ConfigError, "one config has nothing to be compared with"),
        ({"configs": [GENTLE, 3]}, ConfigError, "int; give a path, a dict, or an SFTConfig"),
        ({"configs": {"a": GENTLE, "b": {"learning_rat": 1}}, "data": ROWS}, ConfigError, "b: "),
        ({"configs": GENTLE}, ConfigError, "float; give a path"),
        ({"configs": [GENTLE, GENTLE], "alpha": 0.05}, ConfigError, "--alpha: is for checkpoints"),
        ({"checkpoints": ["x"], "alpha": 0.9}, ConfigError, "--alpha"),
        ({"checkpoints": ["x"], "items": 1}, ConfigError, "--items 1"),
        ({"checkpoints": ["x"], "seed": -1}, ConfigError, "--seed -1"),
    ],
)
def test_what_is_wrong_is_an_input_error_that_names_it(planned, texts, tmp_path, given, kind, said):
    given = {"suites": texts, "data": ROWS, **given}
    with pytest.raises(kind) as error:
        driftline.compare(planned.model, **given, out=tmp_path / "out")
    assert said in str(error.value)
    assert isinstance(error.value, InputError)
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_model_given_twice_is_refused(model_folder, texts):
    tuned = noised(1e-5)
    with pytest.raises(ModelError, match="given twice"):
        driftline.compare(model_folder, [tuned, tuned], suites=texts)
