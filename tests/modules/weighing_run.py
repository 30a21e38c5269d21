"""Run by torchrun in two processes: each weighs its half of a batch; writes what the test reads."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, distributed

from reward_forcing.losses.protocols import LossStrategy
from reward_forcing.losses.samples import Samples
from reward_forcing.losses.strategies.advantage import Advantage
from reward_forcing.losses.strategies.capped_re_dmd import CappedReDMD
from reward_forcing.losses.strategies.noise_level import NoiseLevel
from reward_forcing.losses.strategies.rank import Rank
from reward_forcing.losses.strategies.self_normalised_re_dmd import SelfNormalisedReDMD
from reward_forcing.modules.weighing import over_ranks
from tests.tiny import apart, judged, latents, normal

BATCH = judged(normal(4), sigma=torch.tensor([0.1, 0.9, 0.5, 0.7]), prompts=("a", "b", "a", "b"))
LOSSES: dict[str, LossStrategy] = {
    "self_normalised": SelfNormalisedReDMD(beta=2.0),
    "advantage": Advantage(beta=2.0),
    "capped": CappedReDMD(beta=3.0, largest_share=0.4),
    "rank": Rank(share=0.5),
    "noise_level": NoiseLevel(beta=2.0, power=2.0),
}


def weights_and_gradient(loss: LossStrategy, samples: Samples) -> tuple[Tensor, Tensor]:
    """All weights, and the gradient at this rank's samples."""
    clean = samples.mine(latents(4, 2, 1)).clone().requires_grad_()
    value = loss(clean, apart(samples.mine(latents(4, 2, 2))), samples)
    return loss.weights(samples), torch.autograd.grad(value, clean)[0]


def main(folder: Path) -> None:
    """Take this rank's half, gather, weigh."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    half = slice(2 * rank, 2 * rank + 2)
    own = replace(BATCH, rewards=BATCH.rewards[half], sigma=BATCH.sigma[half], prompts=BATCH.prompts[half])
    samples = over_ranks(own)
    assert samples.own is not None
    found = {name: weights_and_gradient(loss, samples) for name, loss in LOSSES.items()}
    seen = {"rewards": samples.rewards, "sigma": samples.sigma, "prompts": list(samples.prompts)}
    torch.save({**found, **seen, "own": [samples.own.start, samples.own.stop]}, folder / f"{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
