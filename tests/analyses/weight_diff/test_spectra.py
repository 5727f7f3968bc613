"""Spectra of one change: which way is taken, and what is said where a number is missing."""

import numpy
import pytest
import torch
from safetensors.torch import save_file

from driftline.analyses.weight_diff import _spectra
from driftline.analyses.weight_diff._spectra import read_spectra
from driftline.models import LowRank, SlicedFactors, WeightPair
from driftline.models.checkpoints._stored import read_header


@pytest.fixture
def stored(tmp_path):
    def write(name, tensor):
        save_file({name: tensor.contiguous()}, tmp_path / f"{name}.safetensors")
        return read_header(tmp_path / f"{name}.safetensors")[name]

    return write


@pytest.fixture
def small_cap(monkeypatch):
    """Makes a tiny matrix a large one."""
    monkeypatch.setattr(_spectra, "EXACT_SIDE", 8)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pair(stored):
    base = normal(30, 20)
    return WeightPair(
        "a.weight", stored("base", base), stored("tuned", base + normal(30, 20, seed=1))
    )


def test_a_large_matrix_is_estimated_and_says_so(pair, small_cap):
    found = read_spectra(pair, effort="fast", seed=0)
    exact = read_spectra(pair, effort="exact", seed=0)
    assert (found.spectrum.method, found.spectrum.is_exact) == ("krylov", False)
    assert found.spectrum.effective_rank is None
    assert "--spectra exact" in found.spectrum.reason
    assert (found.intruders, "--spectra exact" in found.intruders_reason) == (None, True)
    assert (exact.spectrum.method, exact.spectrum.is_exact) == ("gram", True)
    assert exact.spectrum.reason is None
    assert exact.intruders is not None
    # The subspace holds all of so small a matrix.
    assert found.spectrum.stable_rank == pytest.approx(exact.spectrum.stable_rank, rel=1e-4)
    assert found.spectrum.energy_rank == exact.spectrum.energy_rank


def test_factors_are_exact_whatever_the_side(stored, small_cap):
    down, up = normal(3, 20), normal(30, 3, seed=1)
    factors = SlicedFactors((LowRank(2 * up, down),), (30, 20), torch.float32)
    pair = WeightPair("a.weight", stored("base", normal(30, 20, seed=2)), factors)
    wanted = numpy.linalg.svd((2 * up @ down).double().numpy(), compute_uv=False)[:3]
    for effort in ("fast", "exact"):
        spectrum = read_spectra(pair, effort=effort, seed=0).spectrum
        assert (spectrum.method, spectrum.is_exact) == ("factors", True)
        assert spectrum.largest_singular_values == pytest.approx(tuple(wanted), rel=1e-5)
    assert read_spectra(pair, effort="fast", seed=0).intruders is None
    assert read_spectra(pair, effort="exact", seed=0).intruders is not None


def test_the_product_is_not_formed_for_a_large_adapted_matrix(stored, small_cap, monkeypatch):
    factors = SlicedFactors((LowRank(normal(30, 3), normal(3, 20)),), (30, 20), torch.float32)
    pair = WeightPair("a.weight", stored("base", normal(30, 20)), factors)
    monkeypatch.setattr(WeightPair, "change", lambda _self: pytest.fail("the product was formed"))
    assert read_spectra(pair, effort="fast", seed=0).spectrum.is_exact


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4)])
def test_what_is_no_matrix_has_no_spectrum(stored, shape):
    pair = WeightPair("a.weight", stored("base", normal(*shape)), stored("tuned", normal(*shape)))
    found = read_spectra(pair, effort="exact", seed=0)
    assert (found.spectrum, found.intruders) == (None, None)
    assert found.spectrum_reason == found.intruders_reason == "not a matrix"
