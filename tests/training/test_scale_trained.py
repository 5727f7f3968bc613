"""A protocol's scale, applied after another trainer: the weights that `driftline train` makes."""

import json

import pytest
import safetensors.torch
import torch
import yaml

import driftline
from driftline.errors import ConfigError, ModelError, OutputError
from driftline.models import Levers, lever_trainer, open_model, read_training_data
from driftline.models.trainer._outcome import finish
from driftline.training import read_protocol
from tests import tiny

FULL = {
    "learning_rate": 1e-3, "max_steps": 2, "per_device_train_batch_size": 4, "max_length": 64, "bf16": False,
    "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True,
}  # fmt: skip
LORA = {
    **FULL,
    "use_peft": True,
    "lora_r": 4,
    "lora_alpha": 8,
    "lora_target_modules": ["up_proj", "q_proj"],
}
SCALES = {"interpolation": 0.5, "interpolated_modules": {"model.layers.0": 0.25}}


@pytest.fixture
def made(tmp_path):
    """Writes a protocol and trains by it, without its scale and with it."""

    def make(fields, levers=SCALES):
        base = tiny.save(tmp_path / "base")
        data = tmp_path / "d.jsonl"
        data.write_text("".join(json.dumps({"text": f"number {i}"}) + "\n" for i in range(16)))
        path = tmp_path / "protocol.yaml"
        values = {"schema": "driftline/protocol/1", "model": str(base), "config": fields}
        path.write_text(yaml.safe_dump({**values, **({"levers": levers} if levers else {})}))
        protocol = read_protocol(path)
        for name, own in (("trained", Levers()), ("wanted", protocol.levers)):
            opened = open_model(str(base))
            arguments = protocol.config.trainer_arguments(tmp_path / "x", use_cpu=True)
            trainer = lever_trainer(
                opened, protocol.config, read_training_data(data), arguments=arguments, levers=own
            )
            trainer.train()
            finish(trainer)
            trainer.save_model(str(tmp_path / name))
        return path

    return make


def weights(folder):
    (file,) = folder.glob("*.safetensors")
    return safetensors.torch.load_file(file)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [FULL, LORA], ids=["full", "lora"])
def test_it_makes_the_weights_that_our_own_trainer_makes(made, tmp_path, fields):
    path = made(fields)
    before = weights(tmp_path / "trained")
    answer = driftline.scale(str(tmp_path / "trained"), protocol=path, out=tmp_path / "new")
    assert answer.kind == ("adapter" if "use_peft" in fields else "model")
    found, wanted = weights(tmp_path / "new"), weights(tmp_path / "wanted")
    assert all(torch.allclose(found[key], wanted[key], atol=1e-6) for key in wanted)
    assert any(not torch.equal(found[key], before[key]) for key in before)
    after = weights(tmp_path / "trained")
    assert all(torch.equal(before[key], after[key]) for key in before)
    # Never overwritten unasked, never scaled twice, and nothing else is ever replaced.
    again = {"protocol": path, "out": tmp_path / "new"}
    with pytest.raises(OutputError, match="add --force to replace it"):
        driftline.scale(str(tmp_path / "trained"), **again)
    driftline.scale(str(tmp_path / "trained"), **again, force=True)
    with pytest.raises(ModelError, match="was scaled before"):
        driftline.scale(str(tmp_path / "new"), protocol=path, out=tmp_path / "twice")
    with pytest.raises(OutputError, match="was not written by scale"):
        driftline.scale(str(tmp_path / "trained"), protocol=path, out=tmp_path / "base", force=True)
    with pytest.raises(OutputError, match="is the trained model itself"):
        driftline.scale(
            str(tmp_path / "trained"), protocol=path, out=tmp_path / "trained", force=True
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("fields", "change", "message"),
    [
        (LORA, {"r": 8}, "r: 8 is not the protocol's 4"),
        (LORA, {"lora_alpha": 4}, "lora_alpha: 4 is not the protocol's 8"),
        (LORA, {"target_modules": ["q_proj"]}, "target_modules: .'q_proj'. are not the protocol's"),
        (FULL, {"adapter": True}, "is an adapter, and the protocol trains all weights"),
        (FULL, {"frozen": True}, "the protocol freezes it"),
        (FULL, {"report": True}, "driftline train, which scales the update itself"),
    ],
    ids=["rank", "alpha", "targets", "adapter", "frozen", "ours"],
)
def test_what_is_not_the_protocols_is_refused(made, tmp_path, fields, change, message):
    path = made(fields)
    trained = tmp_path / "trained"
    if "adapter" in change:
        (trained / "adapter_config.json").write_text("{}")
    elif "frozen" in change:
        values = yaml.safe_load(path.read_text())
        values["levers"]["frozen_modules"] = ["model.layers.1"]
        path.write_text(yaml.safe_dump(values))
    elif "report" in change:
        (tmp_path / "report.json").write_text('{"schema": "driftline/train/1"}')
    else:
        file = trained / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        driftline.scale(str(trained), protocol=path, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("levers", [None, {"kl_to_base": 0.1}])
def test_a_protocol_without_a_scale_is_refused(tmp_path, levers):
    values = {"schema": "driftline/protocol/1", "model": "m", "config": FULL}
    path = tmp_path / "protocol.yaml"
    path.write_text(yaml.safe_dump({**values, **({"levers": levers} if levers else {})}))
    with pytest.raises(ConfigError, match="there is nothing to scale"):
        driftline.scale("m", protocol=path, out=tmp_path / "new")
