"""The whole comparison against dense arithmetic on tiny checkpoints, and what is planted there."""

import json
import math
import os
import subprocess
import sys

import numpy
import pytest
import torch
from safetensors.torch import save_file

from driftline.analyses import DiffRequest, diff
from driftline.errors import ModelError
from driftline.provenance import digest_file
from driftline.results import WeightDiff
from tests import adapters, checkpoints, tiny

Q0, UP1 = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"
NORM0 = "model.layers.0.input_layernorm.weight"


@pytest.fixture
def save(tmp_path):
    def write(name, tensors, **options):
        return str(checkpoints.save(tmp_path / name, tensors, **options))

    return write


def planted(rank=3, size=0.5):
    """Base and tuned weights: a low-rank change of one matrix, a small one of one norm."""
    base, tuned = checkpoints.weights(), checkpoints.weights()
    generator = torch.Generator().manual_seed(9)
    left, right = (torch.linalg.qr(torch.randn(16, rank, generator=generator))[0] for _ in range(2))
    tuned[Q0] = base[Q0] + size * left @ right.T
    tuned[NORM0] = base[NORM0] * 1.01
    return base, tuned


def compared(base, tuned, effort="fast") -> WeightDiff:
    return diff(DiffRequest(base, tuned, effort))


def numbers(document: WeightDiff) -> list:
    """All that a document says of the weights, without what names its files."""
    parts = json.loads(document.to_json())
    return [parts[key] for key in ("total", "by_layer", "by_role", "by_module", "changes")]


def test_every_number_is_that_of_dense_arithmetic(save):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    found = compared(save("b", base), save("t", tuned))
    deltas = {name: (tuned[name] - base[name]).double() for name in base}
    whole = sum(float((d**2).sum()) for d in deltas.values())
    assert {c.name for c in found.changes} == set(base)
    for c in found.changes:
        b, d = base[c.name].double(), deltas[c.name]
        assert c.base_norm == pytest.approx(float(b.norm()), rel=1e-5)
        assert c.change_norm == pytest.approx(float(d.norm()), rel=1e-5)
        assert c.relative_change == pytest.approx(float(d.norm() / b.norm()), rel=1e-5)
        assert c.share == pytest.approx(float((d**2).sum()) / whole, rel=1e-5)
        assert c.shape == tuple(b.shape)
        if b.ndim < 2:
            assert (c.spectrum, c.spectrum_reason) == (None, "not a matrix")
            continue
        s = numpy.linalg.svd(d.numpy(), compute_uv=False)
        p = s / s.sum()
        assert c.spectrum.largest_singular_values == pytest.approx(tuple(s[:8]), rel=1e-5)
        assert c.spectrum.effective_rank == pytest.approx(math.exp(-(p * numpy.log(p)).sum()))
        assert c.spectrum.stable_rank == pytest.approx((s**2).sum() / s[0] ** 2)
        held = numpy.cumsum(s**2) / (s**2).sum()
        assert c.spectrum.energy_rank == numpy.flatnonzero(held >= 0.9)[0] + 1
    total = sum(float((b.double() ** 2).sum()) for b in base.values())
    assert found.total.relative_change == pytest.approx(math.sqrt(whole / total), rel=1e-5)


@pytest.mark.parametrize("groups", ["by_layer", "by_role", "by_module"])
def test_groups_share_out_the_whole(save, groups):
    base, tuned = checkpoints.weights(), checkpoints.weights(1)
    found = compared(save("b", base), save("t", tuned), "none")
    rows = getattr(found, groups)
    assert math.fsum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.num_weights for row in rows) == found.total.num_weights == len(base)
    assert sum(row.num_parameters for row in rows) == sum(b.numel() for b in base.values())
    for row in rows:
        names = [
            c.name
            for c in found.changes
            if (groups == "by_role" or c.layer == row.layer)
            and (groups == "by_layer" or c.role == row.role)
        ]
        change, weight = (
            math.fsum(float((t.double() ** 2).sum()) for t in side)
            for side in (
                [tuned[n].double() - base[n].double() for n in names],
                [base[n] for n in names],
            )
        )
        assert row.relative_change == pytest.approx(math.sqrt(change / weight), rel=1e-5)


def test_rows_come_in_the_order_of_the_forward_pass(save):
    found = compared(save("b", checkpoints.weights()), save("t", checkpoints.weights(1)), "none")
    roles = [(c.layer, c.role) for c in found.changes]
    assert roles == [
        (None, "embedding"),
        *((layer, role) for layer in (0, 1) for role in ("q", "up", "norm")),
        (None, "head"),
    ]


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_a_planted_low_rank_change_is_found_with_its_rank(save, rank):
    base, tuned = planted(rank)
    found = compared(save("b", base), save("t", tuned))
    assert [c.name for c in found.changes] == [Q0, NORM0]
    spectrum = found.changes[0].spectrum
    assert spectrum.effective_rank == pytest.approx(rank, rel=1e-3)
    assert spectrum.stable_rank == pytest.approx(rank, rel=1e-3)
    assert spectrum.energy_rank == math.ceil(0.9 * rank)
    assert spectrum.largest_singular_values[:rank] == pytest.approx((0.5,) * rank, rel=1e-4)
    assert (found.total.num_changed, found.total.num_weights) == (2, 8)
    assert found.changes[1].relative_change == pytest.approx(0.01, rel=1e-4)


def test_a_planted_intruder_is_found(save):
    base, tuned = checkpoints.weights(), checkpoints.weights()
    # Outside all that the base's left singular vectors span.
    left = torch.linalg.svd(base[UP1], full_matrices=True)[0][:, -1]
    tuned[UP1] = base[UP1] + 50 * torch.outer(left, torch.ones(16) / 4)
    found = compared(save("b", base), save("t", tuned))
    intruders = found.changes[0].intruders
    assert intruders.num_intruders == 1
    assert intruders.largest_cosines[0] < 0.1
    assert (intruders.top_k, intruders.threshold) == (10, 0.5)
    assert any("Intruder dimensions" in caveat for caveat in found.caveats)


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": "all-linear", "use_rslora": True},
        {"target_modules": ["q_proj", "up_proj"], "alpha_pattern": {"up_proj": 3}},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
def test_an_adapter_gives_the_numbers_of_the_merged_model(model_folder, tmp_path, fields):
    adapter, merged = adapters.save_both(tmp_path, tiny.model(), **fields)
    found, wanted = (compared(str(model_folder), tuned) for tuned in (adapter, merged))
    assert [c.name for c in found.changes] == [c.name for c in wanted.changes]
    assert found.total.relative_change == pytest.approx(wanted.total.relative_change, rel=1e-5)
    for a, b in zip(found.changes, wanted.changes, strict=True):
        assert a.relative_change == pytest.approx(b.relative_change, rel=1e-5)
        assert a.spectrum.effective_rank == pytest.approx(b.spectrum.effective_rank, rel=1e-3)
        assert a.spectrum.stable_rank == pytest.approx(b.spectrum.stable_rank, rel=1e-4)
        assert a.spectrum.energy_rank == b.spectrum.energy_rank
        assert a.intruders.largest_cosines == pytest.approx(b.intruders.largest_cosines, abs=1e-3)
    low_rank = [c for c in found.changes if c.spectrum.method == "factors"]
    assert low_rank
    assert all(c.rounding_floor is None and not c.at_rounding for c in low_rank)
    assert found.provenance.tuned.kind == "adapter"
    assert any("before any merging" in caveat for caveat in found.caveats)


def test_sharded_is_unsharded(save):
    base, tuned = planted()
    whole = compared(save("b", base), save("t", tuned))
    parts = compared(save("bs", base, shards=3), save("ts", tuned, shards=2))
    assert numbers(whole) == numbers(parts)
    bare = compared(f"{save('b', base)}/model.safetensors", save("ts", tuned, shards=2))
    assert numbers(whole) == numbers(bare)


def test_equal_checkpoints_have_not_moved(save):
    base = checkpoints.weights()
    found = compared(save("b", base), save("t", base))
    assert found.changes == ()
    assert found.total.relative_change == 0
    assert found.total.share is None
    assert all(group.share is None for group in found.by_role)


def test_a_cast_is_no_movement(save):
    base = checkpoints.weights()
    cast = {name: tensor.bfloat16() for name, tensor in base.items()}
    found = compared(save("b", base), save("t", cast))
    assert found.changes == ()
    assert found.num_rounded_copies == len(base)


def test_a_change_at_the_level_of_rounding_is_told(save):
    base = checkpoints.weights()
    tuned = {name: (tensor * 1.0005).bfloat16() for name, tensor in base.items()}
    tuned[Q0] = (base[Q0] * 1.05).bfloat16()
    found = compared(save("b", base), save("t", tuned), "none")
    at_rounding = {c.name for c in found.changes if c.at_rounding}
    assert at_rounding
    assert Q0 not in at_rounding
    told = " ".join(found.caveats)
    assert "different dtypes (float32 and bfloat16)" in told
    assert (
        f"{len(at_rounding)} of {len(found.changes)} changes are at the level of rounding" in told
    )


def test_weights_that_are_not_finite_are_named_and_left_out(save):
    base, tuned = planted()
    tuned["lm_head.weight"][3, 3] = math.nan
    base[UP1][0, 0] = math.inf
    found = compared(save("b", base), save("t", tuned))
    assert {(bad.name, bad.side) for bad in found.not_finite} == {
        ("lm_head.weight", "tuned"),
        (UP1, "base"),
    }
    assert [c.name for c in found.changes] == [Q0, NORM0]
    assert found.total.num_weights == 6


def test_a_base_of_zeros_has_no_relative_change(save):
    base, tuned = checkpoints.weights(), checkpoints.weights()
    base[NORM0] = torch.zeros(16)
    found = compared(save("b", base), save("t", tuned), "none")
    assert [(c.name, c.relative_change) for c in found.changes] == [(NORM0, None)]


def test_spectra_can_be_left_out(save):
    base, tuned = planted()
    found = compared(save("b", base), save("t", tuned), "none")
    assert all(c.spectrum is None and c.intruders is None for c in found.changes)
    assert "not asked for" in found.changes[0].spectrum_reason


def test_the_files_are_digested_and_left_as_they_are(save, tmp_path):
    base, tuned = planted()
    folders = save("b", base, shards=2), save("t", tuned)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    found = compared(*folders)
    after = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert before == after
    for subject, folder in ((found.provenance.base, "b"), (found.provenance.tuned, "t")):
        assert subject.source == str(tmp_path / folder)
        for file in subject.files:
            assert file.digest == digest_file(tmp_path / folder / file.name)
    assert [file.name for file in found.provenance.tuned.files] == [
        "model.safetensors",
        "config.json",
    ]


def test_progress_never_falls_and_ends_at_one(save):
    base, tuned = planted()
    told = []
    diff(DiffRequest(save("b", base), save("t", tuned)), listener=told.append)
    fractions = [moment.fraction for moment in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert list(dict.fromkeys(m.stage for m in told)) == [
        "digesting the files",
        "comparing the weights",
        "decomposing the changes",
    ]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_file_that_is_replaced_in_the_meantime_is_an_error(save, tmp_path, file):
    base, tuned = planted()
    folders = save("b", base), save("t", tuned)

    def replace(moment):
        if moment.stage == "comparing the weights":
            path = tmp_path / "t" / file
            path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(ModelError, match=f"{file}: was changed or replaced"):
        diff(DiffRequest(*folders), listener=replace)


def test_a_file_that_is_overwritten_under_its_old_time_is_an_error(save, tmp_path):
    base, tuned = planted()
    folders = save("b", base), save("t", tuned)

    def overwrite(moment):
        if moment.stage == "comparing the weights":
            path = tmp_path / "t/model.safetensors"
            times = path.stat().st_atime_ns, path.stat().st_mtime_ns
            with path.open("r+b") as file:
                file.seek(-1, 2)
                last = file.read(1)
                file.seek(-1, 2)
                file.write(bytes([last[0] ^ 1]))
            os.utime(path, ns=times)

    with pytest.raises(ModelError, match=r"model\.safetensors: was changed or replaced"):
        diff(DiffRequest(*folders), listener=overwrite)


def test_a_new_link_to_a_file_is_no_change(save, tmp_path):
    base, tuned = planted()
    folders = save("b", base), save("t", tuned)

    def link(moment):
        other = tmp_path / "other"
        if moment.stage == "comparing the weights" and not other.exists():
            other.hardlink_to(tmp_path / "t/model.safetensors")

    assert diff(DiffRequest(*folders), listener=link).total.num_changed > 0
    assert (tmp_path / "other").exists()


MEASURED = """
import sys, resource
from driftline.analyses import DiffRequest, diff
small, base, tuned, effort = sys.argv[1:]
diff(DiffRequest(small, small, effort))  # loads what is loaded late
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = diff(DiffRequest(base, tuned, effort))
assert found.total.num_changed == 60, found.total
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("effort", "most_mb"), [("none", 12), ("fast", 60)])
def test_memory_is_bounded_by_the_largest_weight(save, tmp_path, effort, most_mb):
    # 60 weights of 4 MB on either side: 480 MB in all.
    torch.manual_seed(0)
    weight = torch.randn(16384, 64)
    for side, scale in (("base", 1.0), ("tuned", 1.1)):
        tensors = {f"model.layers.{i}.mlp.up_proj.weight": weight * scale for i in range(60)}
        (tmp_path / side).mkdir()
        save_file(tensors, tmp_path / side / "model.safetensors")
        (tmp_path / side / "config.json").write_text("{}")
    paths = [save("small", checkpoints.weights()), str(tmp_path / "base"), str(tmp_path / "tuned")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *paths, effort],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout.splitlines()[-1]) < most_mb
