"""Points move the model exactly as far as they say, and the base comes back whatever happens."""

import os
import signal
import threading
from dataclasses import dataclass, field

import pytest
import torch

from driftline.models import (
    BASE,
    NoiseDirection,
    Point,
    Term,
    WeightNorms,
    at_point,
    change_norms,
    open_model,
    relative_norm,
)

pytestmark = pytest.mark.usefixtures("ctrl_c_arrives")


@dataclass
class Table:
    """A direction given as a table; keeps count of what it was asked."""

    changes: dict[str, torch.Tensor]
    breaks_at: str | None = None
    error: BaseException = field(default_factory=lambda: ValueError("halfway"))
    log: list[str] = field(default_factory=list)

    def identity(self):
        return {"kind": "table", "sums": {k: float(v.sum()) for k, v in self.changes.items()}}

    def prepare(self):
        self.log.append("prepare")

    def delta(self, name, base):
        self.log.append(name)
        if name == self.breaks_at:
            raise self.error
        return self.changes.get(name)


def test_a_point_is_the_base_plus_the_scaled_directions(family_model, weights_of):
    before = weights_of(family_model.model)
    noise, table = NoiseDirection(1), Table({n: torch.ones_like(w) for n, w in before.items()})
    point = Point("p", (Term(noise, 0.3), Term(table, -0.01)))
    with at_point(family_model, point):
        during = weights_of(family_model.model)
        logits = family_model.model(torch.tensor([[1, 2, 3]])).logits

    for name, weight in before.items():
        wanted = weight.double() - 0.01
        if weight.ndim >= 2:
            wanted += 0.3 * noise.delta(name, weight).double()
        assert torch.allclose(during[name].double(), wanted, rtol=1e-6, atol=1e-6), name
    assert not torch.allclose(logits, family_model.model(torch.tensor([[1, 2, 3]])).logits)


def test_the_base_comes_back_bit_for_bit(family_model, weights_of):
    before = weights_of(family_model.model)
    with at_point(family_model, Point("p", (Term(NoiseDirection(2), 0.77),))):
        assert not torch.equal(next(family_model.model.parameters()), next(iter(before.values())))

    for name, weight in weights_of(family_model.model).items():
        assert torch.equal(weight, before[name]), name


def test_a_tied_weight_moves_once_and_the_head_with_it(open_family):
    tied = open_family("llama-tied")
    name = "model.embed_tokens.weight"
    before = tied.model.get_input_embeddings().weight.detach().clone()
    table = Table({name: torch.ones_like(before), "lm_head.weight": torch.ones_like(before)})
    with at_point(tied, Point("p", (Term(table, 0.5),))):
        head = tied.model.get_output_embeddings().weight
        assert head is tied.model.get_input_embeddings().weight
        assert torch.equal(head, before + 0.5)
    tied.check_unchanged()


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_the_base_comes_back_when_the_block_raises(base, error):
    handler = signal.getsignal(signal.SIGINT)
    with (
        pytest.raises(type(error)),
        at_point(base, Point("p", (Term(NoiseDirection(1), 1.0),))),
    ):
        raise error

    base.check_unchanged()
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_base_comes_back_when_the_block_returns(base):
    def leave():
        with at_point(base, Point("p", (Term(NoiseDirection(1), 1.0),))):
            return 1

    assert leave() == 1
    base.check_unchanged()


def test_the_base_comes_back_at_a_real_interrupt(base):
    reached = []

    def block():
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            reached.append("after")

    with (
        pytest.raises(KeyboardInterrupt),
        at_point(base, Point("p", (Term(NoiseDirection(1), 1.0),))),
    ):
        block()
    assert reached.count("after") < 1000
    base.check_unchanged()


@pytest.mark.parametrize("error", [ValueError("halfway"), KeyboardInterrupt()])
def test_the_base_comes_back_when_a_direction_breaks_halfway(base, weights_of, error):
    before = weights_of(base.model)
    names = list(before)
    table = Table({n: torch.ones_like(w) for n, w in before.items()}, names[len(names) // 2], error)
    entered = []
    with pytest.raises(type(error)), at_point(base, Point("p", (Term(table, 1.0),))):
        entered.append(True)

    assert not entered
    assert len(table.log) > 3
    base.check_unchanged()


def test_a_change_of_the_wrong_shape_leaves_the_base_alone(base):
    names = [name for name, _ in base.model.named_parameters()]
    table = Table({names[0]: torch.ones(320, 32), names[1]: torch.ones(7, 7)})
    with pytest.raises(RuntimeError), at_point(base, Point("p", (Term(table, 1.0),))):
        pass
    base.check_unchanged()


def test_an_interrupt_during_the_way_back_waits_until_all_is_back(base, monkeypatch):
    copied = []
    copy = torch.Tensor.copy_

    def interrupted(self, *args):
        copied.append(True)
        if len(copied) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return copy(self, *args)

    with (
        pytest.raises(KeyboardInterrupt),
        at_point(base, Point("p", (Term(NoiseDirection(1), 1.0),))),
    ):
        monkeypatch.setattr(torch.Tensor, "copy_", interrupted)
    monkeypatch.undo()

    assert len(copied) > 10
    base.check_unchanged()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_points_work_away_from_the_main_thread(base):
    errors = []

    def work():
        try:
            with at_point(base, Point("p", (Term(NoiseDirection(1), 1.0),))):
                pass
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []
    base.check_unchanged()


def test_a_scale_by_weight_moves_the_named_weights_only(base, weights_of):
    before = weights_of(base.model)
    chosen = {"model.layers.0.mlp.up_proj.weight": 0.5, "lm_head.weight": -2.0, "elsewhere": 1.0}
    table = Table({name: torch.full_like(w, 0.25) for name, w in before.items()})
    with at_point(base, Point("p", (Term(table, chosen),))):
        during = weights_of(base.model)

    for name, weight in before.items():
        assert torch.equal(during[name], weight + 0.25 * chosen.get(name, 0.0)), name


def test_a_direction_is_not_asked_for_what_does_not_move(base):
    table = Table({})
    with at_point(base, Point("p", (Term(table, {"lm_head.weight": 1.0}), Term(table, 0.0)))):
        pass
    assert table.log == ["prepare", "prepare", "lm_head.weight"]


def test_all_directions_are_prepared_before_a_weight_moves(base):
    digests = []

    class Watching(Table):
        def prepare(self):
            base.check_unchanged()
            digests.append("as opened")

    first = Watching({"lm_head.weight": torch.ones(320, 32)})
    with at_point(base, Point("p", (Term(first, 1.0), Term(Watching({}), 1.0)))):
        assert digests == ["as opened", "as opened"]


def test_directions_see_the_base_and_not_each_other(base, weights_of):
    before = weights_of(base.model)
    seen = {}

    class Looking(Table):
        def delta(self, name, base):
            seen[name] = base.detach().clone()

    moving = Table({name: torch.ones_like(w) for name, w in before.items()})
    with at_point(base, Point("p", (Term(moving, 1.0), Term(Looking({}), 1.0)))):
        pass
    for name, weight in before.items():
        assert torch.equal(seen[name], weight)


def test_a_half_precision_weight_is_rounded_once(model_folder, weights_of):
    half = open_model(str(model_folder), dtype=torch.bfloat16)
    before = weights_of(half.model)
    generator = torch.Generator().manual_seed(1)
    changes = {n: torch.randn(w.shape, generator=generator) * 0.01 for n, w in before.items()}
    with at_point(half, Point("p", (Term(Table(changes), 1.0),))):
        during = weights_of(half.model)
    twice = 0
    for name, weight in before.items():
        assert torch.equal(during[name], (weight.float() + changes[name]).bfloat16()), name
        twice += int((during[name] != weight + changes[name].bfloat16()).sum())
    assert twice > 0
    half.check_unchanged()


def test_the_base_point_changes_nothing(base):
    assert BASE.terms == ()
    with at_point(base, BASE):
        base.check_unchanged()


def test_the_digest_of_a_point_is_of_its_terms():
    noise = NoiseDirection(1)
    digest = Point("a", (Term(noise, 0.5),)).digest()

    assert Point("b", (Term(NoiseDirection(1), 0.5),)).digest() == digest
    others = [
        Point("a", (Term(noise, 0.25),)),
        Point("a", (Term(NoiseDirection(2), 0.5),)),
        Point("a", (Term(noise, 0.5), Term(noise, 0.5))),
        Point("a", (Term(noise, {"x": 0.5}),)),
        Point("a", (Term(noise, {"y": 0.5}),)),
        Point("a", (Term(noise, {"x": 0.25}),)),
        BASE,
    ]
    assert len({digest, *(point.digest() for point in others)}) == 1 + len(others)
    forwards, backwards = {"x": 1.0, "y": 2.0}, {"y": 2.0, "x": 1.0}
    assert Term(noise, forwards).identity() == Term(noise, backwards).identity()


def test_norms_of_a_change_are_those_of_its_matrices(family_model):
    norms = change_norms(family_model, NoiseDirection(1))

    matrices = {w.name for w in family_model.weights if w.is_matrix}
    assert set(norms) == matrices
    for name, norm in norms.items():
        weight = family_model.model.get_parameter(name).detach().double()
        assert norm.base == pytest.approx(float(weight.norm()), rel=1e-5)
        assert norm.change == pytest.approx(norm.base, rel=1e-5)


def test_the_relative_norm_is_of_all_matrices_together():
    assert relative_norm([WeightNorms(3.0, 6.0), WeightNorms(4.0, 8.0)]) == pytest.approx(0.5)
    assert relative_norm([WeightNorms(1.0, 1.0), WeightNorms(0.0, 7.0)]) == pytest.approx(
        1 / 50**0.5
    )
