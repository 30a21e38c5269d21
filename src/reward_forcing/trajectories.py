"""Teacher trajectories as shards, for ODE regression (CausVid's and Self Forcing's initialisation)."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.flow import denoising_levels
from reward_forcing.networks.sources import inspect
from reward_forcing.streaming import WAN_NOTES, Equipment, Streamer, load_streamer

BATCHES_PER_SHARD: Final = 16
"""What an interruption can cost at most, in usual batches; shards of Wan's trajectories are 340 MB."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How trajectories are sampled, and which of their states are stored.

    Args:
        steps: Euler steps of the sampler.
        levels: stored states besides the clean one, evenly spaced from the noise on.
        guidance_scale: in the standard convention.
        shift: how far the noise levels lean towards 1.

    Raises:
        ValueError: the levels are not evenly spaced steps, or the shift is not positive.
    """

    steps: int = 48
    levels: int = 4
    guidance_scale: float = 1.5
    shift: float = 8.0

    def __post_init__(self) -> None:
        if self.levels < 1 or self.steps < 1 or self.steps % self.levels:
            raise ValueError(f"ode-pairs: steps is {self.steps}; it must be a multiple of levels ({self.levels})")
        if not 0 < self.shift < float("inf"):
            raise ValueError(f"ode-pairs: shift is {self.shift}; it must be above 0")

    @property
    def kept(self) -> tuple[int, ...]:
        """Which of the `steps + 1` states are stored.

        >>> Plan().kept
        (0, 12, 24, 36, 48)
        """
        return (*range(0, self.steps, self.steps // self.levels), self.steps)

    @property
    def noise_levels(self) -> tuple[float, ...]:
        """Those of the stored states but the clean one: `objective.levels` of the regression.

        >>> [round(1000 * level, 2) for level in Plan().noise_levels]
        [1000.0, 960.0, 888.89, 727.27]
        """
        every = denoising_levels(self.steps, self.shift)
        return tuple(every[step] for step in self.kept[:-1])


@dataclass(frozen=True)
class Usual:
    """What suits a teacher: its guidance scale, and how many trajectories at a time."""

    guidance_scale: float
    batch: int


def recommended(teacher: str | Path) -> Usual:
    """What suits a teacher: Wan's is Self Forcing's guidance of 6 (method section 4.4), one trajectory at a time.

    Raises:
        ValueError: there are no such weights.
    """
    notes = inspect(teacher).notes
    streams = json.loads(notes["stream"]) if "stream" in notes else WAN_NOTES
    return Usual(6.0, 1) if streams["choices"]["geometry"].startswith("wan") else Usual(1.5, 16)


def write_pairs(
    teacher: str | Path,
    folder: Path,
    prompts: Sequence[str],
    plan: Plan | None = None,
    *,
    seed: int = 0,
    batch: int = 16,
    equipment: Equipment | None = None,
) -> str:
    """Sample one trajectory a prompt and store some of its states: `reward-forcing data ode-pairs`.

    Guidance leads away from the text encoder's empty prompt.

    Args:
        teacher: an exported teacher, or weights that `networks.weights.load` reads.
        folder: to write into; an interrupted run continues.
        prompts: what to sample.
        plan: how.
        seed: of the noise of the first; the others count on from it.
        batch: trajectories sampled together.
        equipment: precision, device and further settings.

    Returns:
        What was written and how to train on it.

    Raises:
        ValueError: the export cannot be read, or the folder holds something else, or the batch is not positive.
    """
    if batch < 1:
        raise ValueError(f"ode-pairs: batch is {batch}; it must be at least 1")
    plan, usual, streamer = plan or Plan(), recommended(teacher), load_streamer(teacher, equipment=equipment)
    streamer.prepare(["", *prompts])

    def samples(numbers: range) -> Iterator[Sample]:
        for first in range(numbers.start, numbers.stop, batch):
            some = range(first, min(first + batch, numbers.stop))
            words = [prompts[index] for index in some]
            for prompt, states in zip(words, _states(streamer, words, [seed + i for i in some], plan), strict=True):
                yield {"states.npy": _stored(states, prompt).numpy(), "caption.txt": prompt}

    found = inspect(teacher)
    content = {"weights": found.digest, "prompts": hashlib.sha256("\n".join(prompts).encode()).hexdigest()[:16]}
    made = {**content, **streamer.about["equipment"], "seed": seed, **asdict(plan)}
    origin = {"teacher": found.notes.get("name", str(teacher)), **made}
    write_shards(folder, samples, clips=len(prompts), origin=origin, clips_per_shard=BATCHES_PER_SHARD * usual.batch)
    shown = ",".join(f"{level:.4f}" for level in plan.noise_levels)
    experiment = "toy_ode" if usual.batch > 1 else "wan_ode_regression"
    return (
        f"{len(prompts)} trajectories in {folder}\n"
        f"train on them: reward-forcing train experiments={experiment} data.content.source.path={folder} "
        f"objective.levels=[{shown}]"
    )


def _stored(states: torch.Tensor, prompt: str) -> torch.Tensor:
    """States as they are stored, in fp16. Raises ValueError when they are not finite there."""
    stored = states.half()
    if not bool(stored.isfinite().all()):
        raise ValueError(f"ode-pairs: a state of {prompt[:60]!r} is not finite in float16; try --dtype float32")
    return stored


def _states(streamer: Streamer, prompts: Sequence[str], seeds: Sequence[int], plan: Plan) -> torch.Tensor:
    """Stored states [prompt, level, frame, channel, height, width] of some trajectories."""
    path = streamer.trajectory(prompts, seeds, steps=plan.steps, guidance_scale=plan.guidance_scale, shift=plan.shift)
    return torch.stack([state.cpu() for step, state in enumerate(path) if step in plan.kept], 1)
