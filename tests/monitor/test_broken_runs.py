"""A run that raises leaves the model as it was found."""

import gc
import weakref

import pytest
from transformers import TrainerCallback

from driftline.monitor import MonitorSettings, StabilityMonitor
from tests.monitor.runs import suite, trainer

HOOKS = ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks")


class _Breaks(TrainerCallback):
    """Raises in the second step, at one of its events, as another callback or a full memory would."""

    def __init__(self, event):
        setattr(self, event, self._raise)

    def _raise(self, _args, state, _control, **_kwargs):
        if state.global_step == 1:
            raise RuntimeError("no room")


def _hooks(model):
    return [len(vars(module)[kind]) for module in model.modules() for kind in HOOKS]


def _broken_run(out, event):
    # Checkpointing has a hook of its own, by transformers.
    made = trainer(out, max_steps=3, gradient_checkpointing=False)
    monitor = StabilityMonitor([suite()], MonitorSettings(every_steps=1, action="log"))
    monitor.attach(made)
    before = _hooks(made.model)
    made.add_callback(_Breaks(event))
    with pytest.raises(RuntimeError, match="no room"):
        made.train()
    return made, monitor, before


@pytest.mark.parametrize("event", ["on_step_begin", "on_pre_optimizer_step", "on_optimizer_step"])
def test_no_hook_outlives_a_run_that_raises(tmp_path, event):
    made, monitor, before = _broken_run(tmp_path, event)
    model = made.model
    if event != "on_step_begin":
        assert _hooks(model) == before
    # Nor where the batch was still awaited, once nobody holds the run.
    gone = weakref.ref(monitor)
    del made, monitor
    gc.collect()
    assert gone() is None
    assert _hooks(model) == before


def test_training_again_drops_what_a_broken_run_left(tmp_path):
    made, monitor, before = _broken_run(tmp_path, "on_pre_optimizer_step")
    probe = monitor._probe
    assert probe._before is not None
    made.callback_handler.callbacks = [
        each for each in made.callback_handler.callbacks if not isinstance(each, _Breaks)
    ]
    made.train()
    assert probe._before is None
    assert _hooks(made.model) == before
    assert monitor._probe is monitor._recorder is None
