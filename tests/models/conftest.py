"""One opened model a family; whoever uses it must leave it as it was found."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
import trl.trainer.base_trainer
import yaml
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from driftline.models import (
    LanguageModel,
    TrainingConfig,
    TrainingData,
    Trajectory,
    open_model,
    plan_training,
    read_training_config,
    read_training_data,
    rounded_products,
)
from tests import tiny
from tests.models.runs import FULL, TEXTS, Recorder


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny models are fastest so, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def open_family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LanguageModel]:
    """Opens a family's tiny model, from a folder, once a session."""

    @cache
    def opener(family: str) -> LanguageModel:
        return open_model(str(tiny.save(tmp_path_factory.mktemp("family") / family, family)))

    return opener


@pytest.fixture(params=tiny.FAMILIES)
def family_model(request, open_family: Callable[[str], LanguageModel]) -> Iterator[LanguageModel]:
    """Every family in turn; after each test the weights and the modes must be as before."""
    made = open_family(request.param)
    gradients = [parameter.requires_grad for parameter in made.model.parameters()]
    yield made
    made.check_unchanged()
    assert not made.model.training
    assert [parameter.requires_grad for parameter in made.model.parameters()] == gradients


@pytest.fixture
def base(opened: LanguageModel) -> Iterator[LanguageModel]:
    """The tiny Llama; after each test its weights must be as before."""
    yield opened
    opened.check_unchanged()


@pytest.fixture
def write_data(tmp_path: Path) -> Callable[[Sequence[object]], TrainingData]:
    """Writes records as JSON Lines and reads them as training data."""

    def write(records: Sequence[object]) -> TrainingData:
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return read_training_data(path)

    return write


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., TrainingConfig]:
    """Writes fields as YAML and reads them as a training config."""

    def write(**fields: object) -> TrainingConfig:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(fields))
        return read_training_config(path)

    return write


@pytest.fixture
def weights_of() -> Callable[[torch.nn.Module], dict[str, torch.Tensor]]:
    """Copies of a model's weights by name."""

    def copies(model: torch.nn.Module) -> dict[str, torch.Tensor]:
        return {name: weight.detach().clone() for name, weight in model.named_parameters()}

    return copies


@pytest.fixture
def real_run(model_folder, tmp_path, monkeypatch):
    """The run as a user starts it, without any of our code, but for the telemetry."""
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda *_a, **_k: None)

    def run(config, data) -> Recorder:
        recorder = Recorder()
        fields = {k: v for k, v in config.values.items() if k in SFTConfig.__dataclass_fields__}
        trainer = SFTTrainer(
            model=transformers.AutoModelForCausalLM.from_pretrained(model_folder),
            args=SFTConfig(
                **fields,
                output_dir=str(tmp_path / "real"),
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(list(data.examples)),
            processing_class=transformers.AutoTokenizer.from_pretrained(model_folder),
            peft_config=config.adapter_config(),
            callbacks=[recorder],
        )
        with rounded_products(trainer.model, bfloat16=bool(trainer.args.bf16)):
            trainer.train()
        return recorder

    return run


@pytest.fixture
def trajectory(base, tmp_path, write_config, write_data):
    """Makes a trajectory from config fields."""

    def make(fields=FULL, kept=(3,), records=TEXTS, opened=base, folder=tmp_path / "kept"):
        config, data = write_config(**fields), write_data(records)
        plan = plan_training(opened, config, data)
        return Trajectory(opened, config, data, folder, kept, plan)

    return make
