"""Every required capability has to trip at some noise, whatever the others do there."""

import pytest
import torch

from driftline.errors import RunError
from driftline.monitor.signals import BlindError, check_sensitivity
from tests import tiny


def _scored(*attempts):
    """Say at each noise which capabilities trip."""
    left = iter(attempts)

    def trips():
        now = next(left)
        if now is None:
            raise RunError("not finite")
        return {name: name in now for name in ("order", "texts")}

    return trips


@pytest.mark.parametrize(
    ("attempts", "noise"),
    [
        ((("order", "texts"),), 0.5),
        (((), ("order", "texts")), 2.0),
        (((), ("texts",), ("order",)), 8.0),
        ((("order",), (), ("order",), ("texts",)), 32.0),
    ],
)
def test_two_may_trip_at_different_noises(attempts, noise):
    model = tiny.model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert check_sensitivity(model, _scored(*attempts), seed=0) == noise
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])


@pytest.mark.parametrize(
    ("attempts", "names"),
    [
        (((), ("order",), (), ()), ("texts",)),
        (((), (), (), ()), ("order", "texts")),
        ((("texts",), None), ("order",)),
        ((None,), ()),
    ],
)
def test_one_that_trips_at_no_noise_is_named(attempts, names):
    with pytest.raises(BlindError) as refused:
        check_sensitivity(tiny.model(), _scored(*attempts), seed=0)
    assert refused.value.capabilities == names
