"""What the LightningModules share: one optimiser step over micro-batches, learning rates, averaged weights, turns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.modules.faults import SkippedStep, announce, faults
from reward_forcing.modules.sharding import average_over_ranks, full, sync_gradients
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.seeding import Key

Scalars: TypeAlias = dict[str, Tensor]
"""What a step reports, by name; a callback logs it."""

Batch: TypeAlias = dict[str, Any]
"""What a DataModule yields: tensors and lists, one entry a sample."""

OptimizerFactory: TypeAlias = Callable[[Iterable[tuple[str, nn.Parameter]]], Optimizer]
"""Makes an optimiser from named parameters; every class of `torch.optim` does, given its other arguments."""


@dataclass(frozen=True, kw_only=True)
class RateSchedule:
    """The learning rate as a share of its peak, a function of the step: a linear rise, a plateau, a linear fall.

    Args:
        warmup: steps of the rise.
        total: steps of training; None: the rate never falls.
        fall: share of the training spent falling.
        floor: where the fall ends.

    Raises:
        ValueError: a share is outside [0, 1] or a count is negative.
    """

    warmup: int = 0
    total: int | None = None
    fall: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fall", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"rate.{name} is {getattr(self, name)}; it must be within [0, 1]")
        if self.warmup < 0 or (self.total is not None and self.total < 1):
            raise ValueError(f"rate.warmup is {self.warmup} and rate.total {self.total}; they must be >= 0 and >= 1")

    def __call__(self, step: int) -> float:
        """The share at `step`, counted from 0."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        if self.total is None or not self.fall:
            return rise
        left = max(0.0, (self.total - step) / (self.fall * self.total))
        return rise * max(self.floor, min(1.0, left))


def micro_batches(batch: Batch, count: int) -> Iterator[Batch]:
    """A batch of tensors and lists in `count` equal parts.

    Raises:
        ValueError: `count` does not divide the batch.
    """
    size = len(next(iter(batch.values())))
    if size % count:
        raise ValueError(f"recipe.micro_batches is {count}; it must divide the batch of a rank ({size})")
    part = size // count
    for start in range(0, size, part):
        yield {name: values[start : start + part] for name, values in batch.items()}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is optimised.

    Args:
        optimizer: makes the optimiser from the network's parameters.
        gradient_clip: largest norm of the gradient.
        rate: learning rate over steps.
        micro_batches: parts a rank's batch is processed in, their gradients averaged.

    Raises:
        ValueError: the clip or the number of micro-batches is not positive.
    """

    optimizer: OptimizerFactory
    gradient_clip: float
    rate: RateSchedule = RateSchedule()
    micro_batches: int = 1

    def __post_init__(self) -> None:
        if self.gradient_clip <= 0:
            raise ValueError(f"recipe.gradient_clip is {self.gradient_clip}; it must be positive")
        if self.micro_batches < 1:
            raise ValueError(f"recipe.micro_batches is {self.micro_batches}; it must be at least 1")


def learn(
    module: LightningModule,
    optimizer: LightningOptimizer | Optimizer,
    recipe: Recipe,
    batch: Batch,
    loss_of: Callable[[Batch, Key], Scalars],
) -> Scalars:
    """One optimiser step on one batch of a rank.

    Randomness is keyed by the completed steps and the micro-batch's place among those of all ranks, so that n ranks
    with one micro-batch each do what one rank does with n.

    A step with NaN or infinity in its loss, rewards or gradient counts, but moves nothing: weights and the optimiser's
    state stay as they are. What is looked at are means over all ranks, so all decide alike.

    Args:
        module: whose training step this is.
        optimizer: of the network that learns.
        recipe: how it learns.
        batch: tensors and lists of equal length.
        loss_of: the "loss" of a micro-batch, and whatever else is to be reported of it, one value or one a sample,
            given a key for its randomness.

    Returns:
        The mean over ranks of what was reported, the norm of the gradient before clipping, the learning rate, and
        whether the step was "skipped" (1, else 0; always on the CPU).
    """
    reports: list[Scalars] = []
    first = module.global_rank * recipe.micro_batches
    keys = [(module.global_step, first + index, 0) for index in range(recipe.micro_batches)]
    optimizer.zero_grad(set_to_none=True)
    for key, part in zip(keys, micro_batches(batch, recipe.micro_batches), strict=True):
        report = loss_of(part, key)
        sync_gradients(module, wanted=key == keys[-1])
        module.manual_backward(report["loss"] / recipe.micro_batches)
        reports.append({name: value.detach() for name, value in report.items()})
    rate = _set_rate(optimizer, recipe.rate(module.global_step))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = full(nn.utils.clip_grad_norm_(parameters, recipe.gradient_clip))
    means = {name: torch.stack([report[name].mean() for report in reports]).mean() for name in reports[0]}
    scalars = {**average_over_ranks(means), "gradient_norm": norm}
    if causes := faults(scalars):
        optimizer.zero_grad(set_to_none=True)  # optimisers leave alone what has no gradient
        step = SkippedStep(module.global_step, tuple(causes), tuple(keys), tuple(reports), float(norm), batch)
        announce(module, step)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)  # not to be carried through the turns of other networks
    return {**scalars, "learning_rate": torch.tensor(rate), "skipped": torch.tensor(float(bool(causes)))}


def _set_rate(optimizer: LightningOptimizer | Optimizer, share: float) -> float:
    """Set every group's learning rate to a share of its peak; returns the first group's."""
    for group in optimizer.param_groups:
        group.setdefault("peak", group["lr"])
        group["lr"] = group["peak"] * share
    return float(optimizer.param_groups[0]["lr"])


def prefixed(prefix: str, scalars: Scalars) -> Scalars:
    """The same scalars under the name of the network they belong to."""
    return {f"{prefix}/{name}": value for name, value in scalars.items()}


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights towards the network's: `decay average + (1 - decay) network`, where they learn."""
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        if value.requires_grad:
            mean.lerp_(value, 1 - decay)


def prepare_text(module: LightningModule, text: TextEncoder, *networks: WanTransformer) -> None:
    """Have all prompts of the data encoded or refused before the first step: by the first process, then by the others.

    Content that does not list its prompts is encoded as it comes.

    Args:
        module: whose data it is.
        text: the encoder.
        networks: that are to take the embeddings.

    Raises:
        ValueError: a prompt cannot be encoded, or a network takes other embeddings.
    """
    data = getattr(module.trainer, "datamodule", None)
    prompts = getattr(getattr(data, "content", None), "prompts", ())
    for first in (True, False):
        if module.trainer.is_global_zero == first:
            text.prepare(prompts)
        module.trainer.strategy.barrier()
    features = [text(prompts[:1]).shape[-1] for _ in prompts[:1]]
    for network in networks:
        wanted = network.sizes["text_dim"]
        if features and features[0] != wanted:
            raise ValueError(
                f"text: embeddings have {features[0]} features; a network takes {wanted}: another encoder's"
            )


def is_student_turn(step: int, fake_score_steps: int) -> bool:
    """Whose turn a step is: the student's first, then `fake_score_steps` of the fake score, and so on."""
    return step % (fake_score_steps + 1) == 0
