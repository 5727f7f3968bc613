"""A point that travels is the same point, bit for bit, and holds nothing of this process."""

import copy
import pickle

import pytest
import torch

from driftline.models import (
    BASE,
    NoiseDirection,
    Placement,
    Point,
    StoredDirection,
    Term,
    files_of,
    open_model,
    store_direction,
    travelling_point,
    with_files_at,
)
from tests.directions import open_tuned


class Held:
    """A direction that lives in memory only, as that of a merged adapter."""

    num_prepared = 0

    def __init__(self, change):
        self.change = change

    def identity(self):
        return {"kind": "held"}

    def prepare(self):
        self.num_prepared += 1

    def delta(self, name, base):
        return self.change.get(name)


@pytest.fixture
def held(base):
    generator = torch.Generator().manual_seed(0)
    return Held(
        {
            name: torch.randn(weight.shape, generator=generator)
            for name, weight in base.model.named_parameters()
            if "layers.1" in name
        }
    )


def assert_same(base, point, travelled):
    assert travelled.digest() == point.digest()
    assert travelled.label == point.label
    for name, weight in base.model.named_parameters():
        before, after = point.delta(name, weight), travelled.delta(name, weight)
        assert (before is None) == (after is None), name
        assert before is None or torch.equal(before, after), name


def test_what_holds_nothing_stays_as_it_is(base, tmp_path):
    noise = Point("noise", (Term(NoiseDirection(3), 0.2),))
    for point in (BASE, noise):
        assert travelling_point(base, point, tmp_path) == point
        assert files_of(point) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_direction_in_memory_becomes_a_file_once(base, held, tmp_path):
    scales = {name: 0.5 for name in held.change if "mlp" in name}
    point = Point("mixed", (Term(held, scales), Term(NoiseDirection(1), 0.1)))
    travelled = travelling_point(base, point, tmp_path / "new")
    assert held.num_prepared == 1
    assert_same(base, point, travelled)
    (file,) = files_of(travelled)
    written = file.stat().st_mtime_ns
    again = travelling_point(base, Point("again", (Term(held, 2.0),)), tmp_path / "new")
    assert files_of(again) == (file,)
    assert file.stat().st_mtime_ns == written
    # A point that travels is plain data and paths.
    assert len(pickle.dumps(travelled)) < 5000


def test_files_of_two_bases_do_not_meet(base, held, tmp_path, model_folder):
    from dataclasses import replace

    other = replace(open_model(str(model_folder)), digest="sha256:other")
    point = Point("held", (Term(held, 1.0),))
    files = {files_of(travelling_point(opened, point, tmp_path)) for opened in (base, other)}
    assert len(files) == 2


@pytest.mark.filterwarnings("ignore")
def test_a_trajectory_is_trained_and_travels_as_its_file(base, trajectory, tmp_path):
    made = trajectory(kept=(2, 4))
    point = Point("step 2", (Term(made.direction(2), 1.0),))
    travelled = travelling_point(base, point, tmp_path / "unused")
    assert made.is_trained()
    assert files_of(travelled) == (made.path(2),)
    assert_same(base, point, travelled)
    assert not (tmp_path / "unused").exists()


def test_a_copy_of_a_file_is_the_same_point(base, tmp_path, monkeypatch):
    change = {"model.norm.weight": torch.ones(32)}
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.safetensors"
    stored = store_direction(path.relative_to(tmp_path), change, {"kind": "ones"})
    point = travelling_point(base, Point("a", (Term(stored, 1.0),)), tmp_path)
    assert files_of(point) == (path,)
    moved = with_files_at(point, {path: path.rename(tmp_path / "b.safetensors")})
    assert moved.terms[0].direction == StoredDirection(tmp_path / "b.safetensors", {"kind": "ones"})
    assert_same(base, moved, with_files_at(moved, {path: path}))


def test_a_tuned_model_travels_from_a_base_that_is_fetched(base, tmp_path):
    tuned = copy.deepcopy(base.model)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(0.01)
    tuned.save_pretrained(tmp_path / "tuned")
    fetched = open_model(base.source, placement=Placement({"": "disk"}))
    points = []
    for opened in (base, fetched):
        point = Point("tuned", (Term(open_tuned(tmp_path / "tuned", opened), 1.0),))
        points.append(travelling_point(opened, point, tmp_path / f"{len(points)}"))
    assert_same(base, *points)
