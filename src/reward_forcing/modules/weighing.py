"""What the samples of a step weigh: those of all ranks together, and how their weights are spread."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed

from reward_forcing.losses.protocols import LossStrategy
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.weights import effective_sample_size, largest_share
from reward_forcing.shapes import Rewards


@dataclass(frozen=True)
class Weighed:
    """The samples of a micro-batch on all ranks, and their weights."""

    rewards: Rewards
    weights: Rewards


def over_ranks(samples: Samples) -> Samples:
    """The samples of all ranks, in the order of ranks, every rank's being as many; in a single process, the same."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return samples
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, (samples.rewards.cpu(), samples.sigma.cpu(), samples.prompts))
    rewards, sigma, prompts = zip(*found, strict=True)
    first = distributed.get_rank() * len(samples)
    return replace(
        samples,
        rewards=torch.cat(rewards).to(samples.rewards.device),
        sigma=torch.cat(sigma).to(samples.sigma.device),
        prompts=tuple(prompt for part in prompts for prompt in part),
        own=slice(first, first + len(samples)),
    )


def require_company(loss: LossStrategy, samples: Samples) -> None:
    """Refuse a loss that compares samples where there is only one. Raises ValueError."""
    if loss.traits.compares and len(samples) < 2:
        raise ValueError(
            f"loss: {type(loss).__name__} compares samples of a micro-batch, and there is 1; allowed: data.batch_size "
            "of at least 2 times module.student_recipe.micro_batches, or a loss that does not (re_dmd, running_mean)"
        )


def spread(seen: Sequence[Weighed]) -> dict[str, Tensor]:
    """How rewards and weights are spread over the samples of a whole step, as scalars."""
    weights = torch.cat([one.weights for one in seen])
    return {
        "reward_spread": torch.cat([one.rewards for one in seen]).std(unbiased=False),
        "effective_sample_size": effective_sample_size(weights),
        "largest_share": largest_share(weights),
    }
