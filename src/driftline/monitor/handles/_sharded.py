"""Numbers over all processes: shards of DTensors, copies of DDP, or one process alone."""

import math
from collections.abc import Iterable, Iterator

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Shard


def is_main() -> bool:
    """Return whether this process writes files: the first one, or the only one."""
    return not _is_many() or torch.distributed.get_rank() == 0


def rank() -> int:
    """Return the number of this process; 0 if it is alone."""
    return torch.distributed.get_rank() if _is_many() else 0


def is_sharded(model: torch.nn.Module) -> bool:
    """Return whether the model's parameters are spread over processes (FSDP2)."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor; it shares memory with it."""
    if isinstance(tensor, DTensor):
        with torch.no_grad():
            held: Tensor = tensor.to_local()
        return held.detach()
    return tensor.detach()


def trained_parameters(model: torch.nn.Module) -> dict[str, Tensor]:
    """Return the parameters that training moves, by name; tied ones once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def summed(pairs: Iterable[tuple[Tensor, float]]) -> float:
    """Sum over all processes numbers that each has for its part of whole tensors.

    A part that several processes hold is counted once: the number of a replicated tensor is divided
    by its replicas before all are added up.

    Args:
        pairs: The tensor, and the number of this process's part of it.

    Returns:
        The sum over all processes, the same in each.
    """
    alone, spread = 0.0, 0.0
    for tensor, value in pairs:
        if isinstance(tensor, DTensor):
            spread += value / _replicas(tensor)
        else:
            alone += value
    return alone + (_all_reduce(spread) if _is_many() else spread)


def mean_over_processes(values: list[float]) -> list[float]:
    """Average numbers that each process measured on its own data; nan stays nan."""
    if not _is_many():
        return values
    held = torch.tensor(values, dtype=torch.float64, device=_device())
    torch.distributed.all_reduce(held)
    return [value / torch.distributed.get_world_size() for value in held.tolist()]


def agreed(values: list[float]) -> list[float]:
    """Copy the first process's numbers to every process, so that all conclude the same."""
    if not _is_many():
        return values
    held = torch.tensor(values, dtype=torch.float64, device=_device())
    torch.distributed.broadcast(held, src=0)
    numbers: list[float] = held.tolist()
    return numbers


def wait_for_all() -> None:
    """Wait until every process has reached this point."""
    if _is_many():
        torch.distributed.barrier()


def reshard(model: torch.nn.Module) -> None:
    """Drop whole copies of parameters that FSDP2 keeps after a forward pass.

    A change of the shards would not reach them.

    Args:
        model: Any model; one that is not sharded is left alone.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def norm(tensors: Iterable[Tensor]) -> float:
    """Compute the Frobenius norm of whole tensors taken together, in float64."""
    return math.sqrt(summed(squares(tensors)))


def squares(tensors: Iterable[Tensor]) -> Iterator[tuple[Tensor, float]]:
    """Yield each tensor with the sum of squares of this process's part."""
    for tensor in tensors:
        yield tensor, float(local(tensor).double().square().sum())


def _replicas(tensor: DTensor) -> int:
    sizes = tensor.device_mesh.shape
    pairs = zip(tensor.placements, sizes, strict=True)
    # What the sum over all processes must not count twice: copies, and processes outside the mesh.
    copies = math.prod(size for placement, size in pairs if not isinstance(placement, Shard))
    return copies * (torch.distributed.get_world_size() // math.prod(sizes))


def _is_many() -> bool:
    return (
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    )


def _device() -> torch.device:
    # NCCL moves numbers between GPUs only.
    is_nccl = torch.distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if is_nccl else torch.device("cpu")


def _all_reduce(value: float) -> float:
    held = torch.tensor(value, dtype=torch.float64, device=_device())
    torch.distributed.all_reduce(held)
    return float(held)
