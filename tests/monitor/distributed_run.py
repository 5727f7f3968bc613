"""One short run in one process, under DDP, or sharded by FSDP2; with or without the monitor.

    python -m torch.distributed.run --nproc-per-node 2 -m tests.monitor.distributed_run MODE WATCH OUT

The trainer of transformers does not shard on CPUs, so the loop is written out here, with the trainer's
own callback handler and its order of events.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed
from safetensors.torch import save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import CallbackHandler

from driftline.training import MonitorSettings, StabilityMonitor
from tests import tiny
from tests.monitor.runs import suite, taught_model

NUM_STEPS = 4


def main(mode: str, watch: str, out: Path) -> None:
    """Run."""
    torch.set_num_threads(1)
    rank, world = 0, 1
    if mode != "one":
        torch.distributed.init_process_group("gloo")
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = taught_model().train()
    wrapped: torch.nn.Module = model
    if mode == "ddp":
        wrapped = DistributedDataParallel(model)
    if mode == "fsdp2":
        mesh = init_device_mesh("cpu", (world,))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        wrapped = fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    tokens = tiny.tokenizer()
    rows = [
        {"input_ids": tokens(f"row {i} of the data, {i} times")["input_ids"][:20]}
        for i in range(16)
    ]
    state, control = TrainerState(), TrainerControl()
    state.max_steps = NUM_STEPS
    args = TrainingArguments(
        output_dir=str(out), use_cpu=True, report_to="none", per_device_train_batch_size=4 // world
    )
    settings = MonitorSettings(every_steps=2, glance_every_steps=1, action="log", step_tokens=1000)
    callbacks = (
        [StabilityMonitor([suite()], settings, out=out / "monitor")] if watch == "on" else []
    )
    handler = CallbackHandler(callbacks, model, tokens, optimizer, scheduler)
    handler.train_dataloader = DataLoader(rows)
    handler.on_train_begin(args, state, control)
    for step in range(NUM_STEPS):
        handler.on_step_begin(args, state, control)
        chosen = [rows[(4 * step + i) % len(rows)]["input_ids"] for i in range(4)]
        ids = torch.tensor(chosen[rank * 4 // world : (rank + 1) * 4 // world])
        wrapped(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        handler.on_pre_optimizer_step(args, state, control)
        optimizer.step()
        handler.on_optimizer_step(args, state, control)
        scheduler.step()
        optimizer.zero_grad()
        state.global_step += 1
        handler.on_step_end(args, state, control)
    handler.on_train_end(args, state, control)
    weights = {
        name: (p.full_tensor() if isinstance(p, DTensor) else p).detach().clone().contiguous()
        for name, p in model.named_parameters()
    }
    if rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        save_file(weights, out / "weights.safetensors")
    if world > 1:
        torch.distributed.destroy_process_group()
        # On a busy machine DDP's own clean-up, freed after the group, has been seen to wait for ever.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
