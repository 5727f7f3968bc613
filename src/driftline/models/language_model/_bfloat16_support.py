"""Support of bfloat16 on this device: a processor without instructions for it emulates it."""

import functools
import os
import time

import torch

_VARIABLE = "DRIFTLINE_BFLOAT16"
_ROWS, _IN, _OUT, _REPEATS = 256, 576, 1536, 3
"""A layer of SmolLM2-135M."""


def is_bfloat16_native() -> bool:
    """Say if this device computes bfloat16, and does not emulate it.

    Every process of a machine gets the same answer, so their scores are equal bit for bit; a measured time,
    which asked before, differed between processes on a busy machine.

    Returns:
        True with a GPU, and on a processor for which PyTorch hands bfloat16 to oneDNN: on x86 one with AVX-512, on
        ARM one with instructions for bfloat16.
    """
    if torch.cuda.is_available():
        return True
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def is_bfloat16_scored() -> bool:
    """Say if scores are computed in bfloat16 by default.

    Returns:
        `is_bfloat16_native`, or True where `DRIFTLINE_BFLOAT16=always` in the environment says so, for numbers
        that are to equal those of another machine.
    """
    return os.environ.get(_VARIABLE) == "always" or is_bfloat16_native()


@functools.cache
def bfloat16_slowdown() -> float:
    """Measure the time of a linear layer in bfloat16 over that in float32.

    On processors with AVX2 alone, layers of small models took 5.6 to 9.5 times as long as in float32.
    Cost: up to 0.3 s of the processor, once; nothing with a GPU.

    Returns:
        The ratio, each time the best of three; 1.0 with a GPU, where nothing is measured.
    """
    if torch.cuda.is_available():
        return 1.0
    return _seconds(torch.bfloat16) / _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    rows, weight = torch.ones(_ROWS, _IN, dtype=dtype), torch.ones(_OUT, _IN, dtype=dtype)
    times = []
    # The first product prepares kernels and buffers, so it does not count.
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        times.append(time.perf_counter() - started)
    return min(times[1:])
