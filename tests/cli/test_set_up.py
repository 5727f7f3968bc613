"""What the commands that score a suite share."""

from pathlib import Path

import pytest

from driftline.cli._set_up import default_folder
from driftline.questions.inputs import shown


class Printer:
    def __init__(self):
        self.said, self.is_open = [], False

    def note(self, text):
        self.said.append(text)

    def shown(self):
        return self

    def __enter__(self):
        self.is_open = True

    def __exit__(self, *_error):
        self.is_open = False


class Folder:
    path = Path("out")


def test_a_run_without_a_folder_gets_one_by_its_names():
    found = default_folder("certify", ["a/base.gguf", "owner/tuned@main"], ["x/mine.yaml", "core"])
    assert found == Path("driftline-runs/certify-base-tuned-main-mine-core")
    assert default_folder("score", ["m"], ["lm_eval:arc easy"]).name == "score-m-lm_eval-arc-easy"


def interrupted(printer):
    with shown(printer, Folder()):
        assert printer.is_open
        raise KeyboardInterrupt


def test_what_was_stopped_says_how_it_goes_on():
    printer = Printer()
    with pytest.raises(KeyboardInterrupt):
        interrupted(printer)
    assert printer.said == ["stopped; the same command resumes from out"]
    assert not printer.is_open
    with shown(printer, Folder()):
        pass
    assert len(printer.said) == 1
