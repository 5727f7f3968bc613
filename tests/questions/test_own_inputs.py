"""No run removes or replaces what it reads itself: it is refused before anything is written."""

import json

import pytest

import driftline
from driftline.errors import OutputError
from driftline.questions.inputs import run_folder


def opened(out, reads, *, replaced=()):
    with run_folder(
        out, "request", outputs=("report.json",), force=True, command="certify", model="base",
        reads=reads, replaced=replaced,
    ):  # fmt: skip
        pass


@pytest.fixture
def out(tmp_path):
    """The run folder of a forecast with the checkpoint of its probe."""
    folder = tmp_path / "run"
    (folder / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    for name in ("report.json", "mine.yaml", "checkpoints/checkpoint-2/model.safetensors"):
        (folder / name).write_text("kept")
    marker = {"request": "other", "outputs": ["report.json"], "command": "forecast"}
    (folder / "driftline-run.json").write_text(json.dumps(marker))
    return folder


@pytest.mark.parametrize(
    "name",
    ["report.json", "checkpoints/checkpoint-2", "checkpoints/checkpoint-2/model.safetensors"],
)
def test_an_input_that_would_go_is_refused_and_stays(out, tmp_path, name):
    link = tmp_path / "link"
    link.symlink_to(out / name)
    for given in (str(out / name), out / name, [str(out / name)], str(link)):
        with pytest.raises(OutputError, match="is read by this run, which would replace it"):
            opened(out, (None, given))
        assert (out / "report.json").exists()
        assert (out / name).exists()


def test_other_files_of_the_folder_may_be_read(out):
    opened(out, (str(out / "mine.yaml"), str(out), "a/hub-id", 3, [{"text": "report.json"}]))
    assert (out / "mine.yaml").exists()
    assert not (out / "report.json").exists()


def test_what_a_question_writes_besides_its_outputs_counts_too(out):
    with pytest.raises(OutputError, match=r"mine\.yaml: is read by this run"):
        opened(out, (str(out / "mine.yaml"),), replaced=("mine.yaml",))


def test_training_does_not_move_its_own_base_aside(planned, tmp_path):
    out = tmp_path / "trained"
    out.mkdir()
    (out / "model").symlink_to(planned.model)
    (out / "driftline-run.json").write_text("{}")
    with pytest.raises(OutputError, match="model: is read by this run"):
        driftline.train(
            str(planned.config), model=str(out / "model"), data=str(planned.data),
            suites=planned.suite, out=out, force=True,
        )  # fmt: skip
    assert (out / "model").exists()


def test_a_name_that_no_folder_can_have_is_refused_as_before():
    with pytest.raises(OutputError, match="cannot be used"):
        opened("a\0b", ("base",))
