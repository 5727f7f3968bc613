"""Exports under the config schemas of Axolotl and LLaMA-Factory themselves, where these are installed.

Neither is among the dependencies. `docs/plan.md` says which versions were tried and how to install them beside
the project without their own torch.
"""

import warnings

import pytest

from tests.training.test_exports import CHAT, FIELDS, LORA, made

__all__ = ["made"]

LAYOUTS = {
    "text": {"text": "a"},
    "messages": {"messages": CHAT},
    "prompt": {"prompt": "a", "completion": "b"},
    "chat": {"prompt": CHAT[:1], "completion": CHAT[1:]},
}
ALL_LINEAR = {**LORA, "target_modules": "all-linear"}
RSLORA = {**LORA, "use_rslora": True}
DORA = {**LORA, "use_dora": True}
CONFIGS = {"full": FIELDS, "lora": LORA, "all": ALL_LINEAR, "rslora": RSLORA, "dora": DORA}


def _unknown(values, known):
    return sorted(set(values) - known)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", CONFIGS)
def test_axolotl_takes_it(made, layout, config):
    schema = pytest.importorskip("axolotl.utils.schemas.config").AxolotlInputConfig
    _, _, files = made(CONFIGS[config], records=[LAYOUTS[layout]] * 16)
    values = files["axolotl"]
    # The schema itself passes over what it does not know.
    names = {n for name, f in schema.model_fields.items() for n in (name, f.alias) if n}
    assert _unknown(values, names) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = schema.model_validate(values)
    assert read.learning_rate == values["learning_rate"]
    assert read.max_steps == 20
    assert (read.adapter or "") == ("" if config == "full" else "lora")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", CONFIGS)
def test_llama_factory_takes_it(made, tmp_path, layout, config, monkeypatch):
    # Its check of versions is about training, and not about its arguments.
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    hparams = pytest.importorskip("llamafactory.hparams")
    transformers = pytest.importorskip("transformers")
    _, _, files = made(CONFIGS[config], records=[LAYOUTS[layout]] * 16)
    values = {**files["llamafactory"], "use_cpu": True}
    kinds = (
        hparams.ModelArguments,
        hparams.DataArguments,
        transformers.Seq2SeqTrainingArguments,
        hparams.FinetuningArguments,
    )
    model, data, training, tuning = transformers.HfArgumentParser(kinds).parse_dict(values)
    assert model.model_name_or_path == values["model_name_or_path"]
    assert data.dataset == ["driftline"]
    assert training.max_steps == 20
    assert tuning.finetuning_type == ("full" if config == "full" else "lora")
