"""Training in several processes: networks split among them or among groups of them (FSDP2), or whole in each (DDP).

A process of a split network keeps a share of every parameter and borrows the rest, block by block.
"""

import warnings
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import torch
from lightning import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from reward_forcing.networks.wan import WanTransformer

ComputeDtype: TypeAlias = Literal["bfloat16"] | None
"""What sharded networks compute in; None: in the precision of their parameters."""


def strategy(*, devices: int, nodes: int = 1, replicas: int = 1, timeout_minutes: int = 30) -> ModelParallelStrategy:
    """Lightning's strategy for sharding over the processes of a run.

    Args:
        devices: processes of a machine.
        nodes: machines.
        replicas: copies of every network, each split over an equal part of the processes, in their order; 1: a single
            one, split over all.
        timeout_minutes: how long a process waits for the others.

    Raises:
        ValueError: a number is not positive, or there are not equally many processes for every copy.
    """
    counts = {"devices": devices, "nodes": nodes, "replicas": replicas, "timeout_minutes": timeout_minutes}
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"trainer.strategy.{name} is {value}; it must be at least 1")
    shares, left = divmod(devices * nodes, replicas)
    if left:
        raise ValueError(f"trainer.strategy.replicas is {replicas}; it must divide the processes ({devices * nodes})")
    wait = timedelta(minutes=timeout_minutes)  # of the mesh's two sides, Lightning calls the copies data-parallel
    return ModelParallelStrategy(data_parallel_size=replicas, tensor_parallel_size=shares, timeout=wait)


def shard(network: nn.Module, mesh: DeviceMesh, compute_dtype: ComputeDtype = None) -> None:
    """Split a network's parameters over a mesh, in place; a network that is split stays as it is.

    Blocks are gathered one at a time, the root's own layers during the whole pass; all are given back after every pass,
    so that parameters seen from outside are always shares. Gradients are summed in fp32.

    Args:
        network: with transformer blocks.
        mesh: of the processes that share a copy; two-dimensional: of the copies, and of those.
        compute_dtype: of forward and backward passes; the shares and the optimiser keep their own precision.
    """
    if isinstance(network, FSDPModule):
        return
    warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view tensor")  # nothing here is in place
    policy = MixedPrecisionPolicy(
        param_dtype=getattr(torch, compute_dtype) if compute_dtype else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,  # noise levels stay fp32; the network itself casts latents at its door
    )
    blocks = network.blocks
    assert isinstance(blocks, nn.ModuleList)
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh, mp_policy=policy, reshard_after_forward=True)


def shard_all(module: LightningModule, networks: Iterable[nn.Module]) -> None:
    """What `configure_model` does: split networks if the module's strategy has a mesh, else nothing.

    Under the trainer's precision `bf16-mixed`, blocks are gathered and computed in bf16.
    """
    mesh = module.device_mesh
    if mesh is None:
        return
    used = mesh if mesh["data_parallel"].size() > 1 else mesh["tensor_parallel"]
    for network in networks:
        shard(network, used, "bfloat16" if module.trainer.precision == "bf16-mixed" else None)


def is_sharded(module: nn.Module) -> bool:
    """Whether any part of a module is split, so that all processes must take part in its passes."""
    return any(isinstance(part, FSDPModule) for part in module.modules())


def sync_gradients(module: LightningModule, *, wanted: bool) -> None:
    """Whether the next backward pass sums gradients over processes; only that of the last micro-batch needs to."""
    if isinstance(module.trainer.model, DistributedDataParallel):
        module.trainer.model.require_backward_grad_sync = wanted  # Lightning asks before every backward pass
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.set_requires_gradient_sync(wanted, recurse=False)


def full(tensor: Tensor) -> Tensor:
    """A whole tensor from shares; every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(network: nn.Module) -> dict[str, Tensor]:
    """The whole tensors of a network, on the CPU of every process; every process must ask."""
    return {name: full(tensor.detach()).cpu() for name, tensor in network.state_dict().items()}


def whole(network: WanTransformer) -> WanTransformer:
    """The network itself, or what its shares make up; every process must ask."""
    return rebuilt(network, gathered(network)) if is_sharded(network) else network


def rebuilt(network: WanTransformer, tensors: dict[str, Tensor]) -> WanTransformer:
    """A plain network of the same sizes, holding the given tensors."""
    sizes: dict[str, Any] = network.sizes
    with torch.device("meta"):
        plain = WanTransformer(**sizes)
    plain.load_state_dict(tensors, assign=True)
    return plain


def average_over_ranks(scalars: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean over all processes of what each reports; in a single process, the same."""
    if ranks() == 1:
        return scalars
    values = torch.stack([value.detach().float() for value in scalars.values()])
    distributed.all_reduce(values)
    means: Any = values / ranks()
    return dict(zip(scalars, means.unbind(), strict=True))


def rows_of_all_ranks(rows: Tensor) -> Tensor:
    """What all processes have, in their order, each having equally many rows; in a single process, the same."""
    if ranks() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(ranks())]
    distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def ranks() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
