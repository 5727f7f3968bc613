"""Speed and peak memory of `diff` without spectra and of digests, over a large sharded checkpoint.

    python -m benchmarks.streaming [GIGABYTES] [FOLDER]

Makes a base and a tuned model of GIGABYTES together (10 by default) in a temporary folder (under
FOLDER), in bfloat16 shards of 1 GB, and removes them. `sha256sum` on the same files is the yardstick:
each measurement, `sha256sum` included, is a process of its own over all files, which lie in the page
cache as far as it holds them. On a busy machine read the ratios of CPU seconds: the clock there
measures the other work too. Needs Linux. Prints JSON and writes it to
`benchmarks/results/streaming.json`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

RESULT = Path(__file__).parent / "results" / "streaming.json"
GB = 10**9
WIDTH, INNER, VOCABULARY = 4096, 11008, 32000
SHARD_BYTES = GB
NUM_REPEATS = 1
SHAPES = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH, WIDTH),
    "self_attn.v_proj": (WIDTH, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (INNER, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}
"""The matrices of a layer of Llama 7B."""


def tensors(num_bytes: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Names and shapes of a Llama of 7B's widths, with as many layers as the bytes allow.

    Args:
        num_bytes: Of the whole checkpoint, in bfloat16.

    Yields:
        The embedding, then layer by layer.
    """
    yield "model.embed_tokens.weight", (VOCABULARY, WIDTH)
    left, layer = num_bytes - 2 * VOCABULARY * WIDTH, 0
    while left > 0:
        for name, shape in SHAPES.items():
            yield f"model.layers.{layer}.{name}.weight", shape
            left -= 2 * shape[0] * shape[1]
        layer += 1


def write_pair(base: Path, tuned: Path, num_bytes: int) -> None:
    """Write both checkpoints, a shard at a time.

    Args:
        base: The folder of one.
        tuned: The folder of the other; every second tensor has moved there.
        num_bytes: Of each.
    """
    generator = torch.Generator().manual_seed(0)
    held: tuple[dict[str, torch.Tensor], ...] = ({}, {})
    where: dict[str, str] = {}
    size = num_shards = 0
    for index, (name, shape) in enumerate(tensors(num_bytes)):
        weight = torch.randn(shape, generator=generator).mul_(0.02).to(torch.bfloat16)
        moved = weight if index % 2 else weight + torch.roll(weight, 1, 0) * 0.01
        held[0][name], held[1][name] = weight, moved
        where[name] = f"model-{num_shards:05}.safetensors"
        size += weight.nbytes
        if size >= SHARD_BYTES:
            _write_shards((base, tuned), held, where[name])
            size, num_shards = 0, num_shards + 1
    if size:
        _write_shards((base, tuned), held, f"model-{num_shards:05}.safetensors")
    for folder in (base, tuned):
        text = json.dumps({"metadata": {}, "weight_map": where})
        (folder / "model.safetensors.index.json").write_text(text)
        (folder / "config.json").write_text("{}")


def _write_shards(
    folders: tuple[Path, ...], held: tuple[dict[str, torch.Tensor], ...], name: str
) -> None:
    for folder, kept in zip(folders, held, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(kept, folder / name)
        kept.clear()


def run_diff(base: Path, tuned: Path) -> None:
    """The whole comparison, digests included."""
    from driftline.analyses import DiffRequest, diff

    start = _clock()
    found = diff(DiffRequest(str(base), str(tuned), "none"))
    _tell(start, num_changed=found.total.num_changed)


def run_compare(base: Path, tuned: Path) -> None:
    """The norms alone, without digests."""
    from driftline.models import pair_checkpoints

    start = _clock()
    found = [pair.moments() for pair in pair_checkpoints(str(base), str(tuned)).pairs]
    _tell(start, num_changed=sum(m.change_squared > 0 for m in found))


def run_digests(base: Path, tuned: Path) -> None:
    """The digest of every file."""
    from driftline.provenance import digest_file

    start = _clock()
    digests = [digest_file(file) for file in _files(base, tuned)]
    _tell(start, num_files=len(digests))


def run_sha256sum(base: Path, tuned: Path) -> None:
    """The yardstick: coreutils over the same files."""
    start = _clock()
    subprocess.run(
        ["/usr/bin/sha256sum", *map(str, _files(base, tuned))],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    _tell(start)


CASES = {
    "sha256sum": run_sha256sum,
    "digests": run_digests,
    "compare": run_compare,
    "diff": run_diff,
}


def _files(base: Path, tuned: Path) -> list[Path]:
    return [file for folder in (base, tuned) for file in sorted(folder.glob("*.safetensors"))]


def _clock() -> tuple[float, float]:
    """Now, and the CPU seconds of this process and of those that it waited for."""
    used = os.times()
    return time.perf_counter(), sum(used[:4])


def _tell(start: tuple[float, float], **more: int) -> None:
    """What was measured in this process, whose peak counts the libraries too."""
    seconds, cpu_seconds = (now - then for now, then in zip(_clock(), start, strict=True))
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    found = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": round(peak * 1024 / 1e6)}
    print(json.dumps(found | more))


def measure(base: Path, tuned: Path, *, num_bytes: int) -> dict[str, object]:
    """Every case by turns, each in a process of its own; the best of its turns counts.

    Args:
        base: A checkpoint.
        tuned: Another.
        num_bytes: Of both.

    Returns:
        Seconds, speed and peak memory of each case.
    """
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    for _ in range(NUM_REPEATS):
        for name in CASES:
            command = [sys.executable, "-m", "benchmarks.streaming", "--one", name]
            done = subprocess.run(
                [*command, str(base), str(tuned)], capture_output=True, text=True, check=True
            )
            turns[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, turns[name][-1], flush=True)
    best = {
        name: {key: min(turn[key] for turn in found) for key in ("seconds", "cpu_seconds")}
        for name, found in turns.items()
    }
    cases = {
        name: {
            **{key: round(value, 2) for key, value in best[name].items()},
            "gb_per_cpu_second": round(num_bytes / GB / best[name]["cpu_seconds"], 2),
            "peak_mb": max(turn["peak_mb"] for turn in found),
        }
        for name, found in turns.items()
    }
    ratios = {
        f"speed_over_sha256sum_by_{key}": {
            name: round(best["sha256sum"][key] / best[name][key], 2)
            for name in CASES
            if name != "sha256sum"
        }
        for key in ("seconds", "cpu_seconds")
    }
    return {"cases": cases, **ratios}


def main(arguments: list[str]) -> None:
    """Measure everything, or one case in this process."""
    if arguments[:1] == ["--one"]:
        CASES[arguments[1]](Path(arguments[2]), Path(arguments[3]))
        return
    gigabytes = float(arguments[0]) if arguments else 10.0
    with tempfile.TemporaryDirectory(dir=arguments[1] if len(arguments) > 1 else None) as folder:
        base, tuned = Path(folder) / "base", Path(folder) / "tuned"
        write_pair(base, tuned, int(gigabytes * GB / 2))
        files = _files(base, tuned)
        num_bytes = sum(file.stat().st_size for file in files)
        print(f"{num_bytes / GB:.2f} GB in {len(files)} files", flush=True)
        found = {
            "gigabytes": round(num_bytes / GB, 2),
            "num_files": len(files),
            "num_weights": len(
                json.loads((base / "model.safetensors.index.json").read_text())["weight_map"]
            ),
            "largest_weight_mb": round(2 * VOCABULARY * WIDTH / 1e6),
            "torch_version": torch.__version__,
            "num_threads": torch.get_num_threads(),
            "num_cpus": os.cpu_count(),
            "load_before": round(os.getloadavg()[0], 1),
            **measure(base, tuned, num_bytes=num_bytes),
        }
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
