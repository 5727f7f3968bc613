"""A protocol's levers are read with its other parts."""

import pytest
import yaml

from driftline.errors import ConfigError
from driftline.models import Levers
from driftline.training import read_protocol


def _protocol(tmp_path, **more):
    path = tmp_path / "protocol.yaml"
    values = {"schema": "driftline/protocol/1", "config": {"learning_rate": 1e-4}, **more}
    path.write_text(yaml.safe_dump(values))
    return read_protocol(path)


def test_levers_stand_beside_the_config(tmp_path):
    assert _protocol(tmp_path).levers == Levers()
    held = {"kl_to_base": 0.5, "replay_share": 0.1, "replay_source": "r.jsonl"}
    found = _protocol(tmp_path, levers=held).levers
    assert found == Levers(
        kl_to_base=0.5, replay_share=0.1, replay_source=str(tmp_path / "r.jsonl")
    )


def test_levers_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"protocol.yaml: levers: unknown key kl_base; did you mean"
    ):
        _protocol(tmp_path, levers={"kl_base": 1})
    with pytest.raises(ConfigError, match=r"protocol.yaml: levers: give one `lever: value` a line"):
        _protocol(tmp_path, levers=["kl_to_base"])
