"""Noise of each matrix's own size, and changes kept in files."""

import errno
import resource

import pytest
import torch
from safetensors import SafetensorError, safe_open

from driftline.errors import ModelError
from driftline.models import NoiseDirection, StoredDirection, store_direction
from driftline.models.points import _directions as module
from driftline.models.points._directions import LowRank
from tests import tiny


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_noise_has_the_norm_of_its_matrix_and_leaves_vectors(family):
    model = tiny.model(family)
    moved = 0
    for name, weight in model.named_parameters():
        change = NoiseDirection(3).delta(name, weight)
        if weight.ndim < 2:
            assert change is None
            continue
        moved += 1
        assert change.dtype == torch.float32
        assert change.shape == weight.shape
        assert not change.requires_grad
        relative = change.double().norm() / weight.double().norm()
        assert float(relative.detach()) == pytest.approx(1.0, rel=1e-5)
    assert moved >= 8


def test_noise_is_standard_normal_before_it_is_scaled():
    change = NoiseDirection(0).delta("a", torch.ones(400, 500))

    assert float(change.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(change.std()) == pytest.approx(1.0, abs=0.01)
    assert float((change.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.005)


def test_noise_of_one_seed_is_the_same_whatever_else_is_asked():
    base = torch.randn(8, 8, generator=torch.Generator().manual_seed(5))
    alone = NoiseDirection(1).delta("wanted", base)
    direction = NoiseDirection(1)
    for name in ("x", "y"):
        direction.delta(name, base)
    torch.manual_seed(99)

    assert torch.equal(direction.delta("wanted", base), alone)
    assert not torch.equal(direction.delta("x", base), alone)
    assert not torch.equal(NoiseDirection(2).delta("wanted", base), alone)


def test_seed_and_name_cannot_run_into_each_other():
    base = torch.ones(4, 4)

    assert not torch.equal(NoiseDirection(1).delta("1a", base), NoiseDirection(11).delta("a", base))


def test_noise_leaves_the_random_state_and_the_base_alone():
    base = torch.ones(4, 4)
    before = torch.get_rng_state()
    NoiseDirection(1).delta("a", base)

    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(base, torch.ones(4, 4))


def test_noise_of_a_half_precision_matrix_is_float32():
    base = torch.full((64, 64), 3.0, dtype=torch.bfloat16)
    change = NoiseDirection(1).delta("a", base)

    assert change.dtype == torch.float32
    assert float(change.norm()) == pytest.approx(float(base.double().norm()), rel=1e-5)


def test_a_matrix_of_zeros_has_no_noise():
    assert not NoiseDirection(1).delta("a", torch.zeros(3, 3)).any()


def test_identity_is_the_seed():
    assert NoiseDirection(1).identity() == NoiseDirection(1).identity()
    assert NoiseDirection(1).identity() != NoiseDirection(2).identity()


@pytest.fixture
def change():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(4, 6, generator=generator)
    return {"transposed": matrix.t(), "vector": torch.randn(5, generator=generator)}


def test_a_stored_direction_reads_back_bit_for_bit(tmp_path, change):
    path = tmp_path / "one.safetensors"
    stored = store_direction(path, change, {"step": 3})
    stored.prepare()

    assert stored == StoredDirection(path, {"step": 3})
    assert stored.identity() == {"step": 3}
    for name, tensor in change.items():
        assert torch.equal(stored.delta(name, torch.zeros(tensor.shape)), tensor)
    assert stored.delta("elsewhere", torch.zeros(2)) is None
    assert [file.name for file in tmp_path.iterdir()] == ["one.safetensors"]


def test_a_half_precision_change_is_read_as_float32(tmp_path):
    stored = store_direction(tmp_path / "h.safetensors", {"a": torch.ones(2).bfloat16()}, None)

    assert stored.delta("a", torch.zeros(2)).dtype == torch.float32


def test_a_change_of_another_shape_is_refused(tmp_path, change):
    stored = store_direction(tmp_path / "one.safetensors", change, None)

    with pytest.raises(ModelError, match=r"vector has shape \(5,\) and the base \(6,\)"):
        stored.delta("vector", torch.zeros(6))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("I/O error: No space left on device (os error 28)", errno.ENOSPC),
        ("I/O error: something", errno.EIO),
    ],
)
def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(
    tmp_path, change, monkeypatch, text, number
):
    path = tmp_path / "one.safetensors"
    store_direction(path, change, None)
    before = path.read_bytes()

    def fail(_tensors, partial):
        partial.write_bytes(b"half")
        raise SafetensorError(text)

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(OSError, match="error") as caught:
        store_direction(path, {"vector": torch.zeros(5)}, None)
    assert caught.value.errno == number
    assert [file.name for file in tmp_path.iterdir()] == ["one.safetensors"]
    assert path.read_bytes() == before


def test_a_file_that_the_system_really_refuses_is_told_by_its_number(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(OSError, match=r"one\.safetensors") as caught:
            store_direction(tmp_path / "one.safetensors", {"a": torch.zeros(1 << 16)}, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_written_is_whole(tmp_path, change):
    path = tmp_path / "one.safetensors"
    store_direction(path, change, None)

    with safe_open(path, framework="pt") as opened:
        assert sorted(opened.keys()) == ["transposed", "vector"]


def test_a_low_rank_change_is_kept_as_its_parts_and_read_as_their_product(tmp_path):
    generator = torch.Generator().manual_seed(1)
    left, right = (torch.randn(s, generator=generator) for s in ((64, 2), (2, 48)))
    whole = torch.randn(4, 4, generator=generator)
    change = {"thin": LowRank(left, right.bfloat16()), "whole": whole}
    direction = store_direction(tmp_path / "c.safetensors", change, "recipe")

    assert (tmp_path / "c.safetensors").stat().st_size < 64 * 48 * 4 / 2
    found = direction.delta("thin", torch.zeros(64, 48))
    assert found.dtype == torch.float32
    assert torch.allclose(found, left @ right.bfloat16().float(), atol=1e-6)
    assert torch.equal(direction.delta("whole", torch.zeros(4, 4)), whole)
    assert direction.delta("other", torch.zeros(4, 4)) is None
    with pytest.raises(ModelError, match=r"thin has shape \(64, 48\) and the base \(48, 64\)"):
        direction.delta("thin", torch.zeros(48, 64))


@pytest.mark.parametrize("how", ["cut", "header", "empty", "deleted"])
def test_a_stored_change_that_cannot_be_read_is_named_with_a_mend(tmp_path, how):
    path = tmp_path / "step-3.safetensors"
    stored = store_direction(path, {"a.weight": torch.ones(4, 4)}, {"step": 3})
    content = path.read_bytes()
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-8], "header": b"\xff" * 64, "empty": b""}[how])
    with pytest.raises(ModelError, match=r"step-3.safetensors: .*delete the file and run the comm"):
        stored.delta("a.weight", torch.zeros(4, 4))
