"""Teacher trajectories as shards, for ODE regression (CausVid's and Self Forcing's initialisation)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.flow import denoising_levels
from reward_forcing.networks.weights import read_notes
from reward_forcing.streaming import load_streamer


def kept_steps(steps: int, levels: int) -> tuple[int, ...]:
    """Which of `steps + 1` states are stored: `levels` evenly spaced ones from the noise on, and the clean end.

    >>> kept_steps(48, 4)
    (0, 12, 24, 36, 48)

    Raises:
        ValueError: the levels are not evenly spaced steps.
    """
    if levels < 1 or steps % levels:
        raise ValueError(f"pairs.steps is {steps}; it must be a multiple of pairs.levels ({levels})")
    return (*range(0, steps, steps // levels), steps)


def stored_levels(steps: int, levels: int, shift: float) -> tuple[float, ...]:
    """The noise levels of the stored states but the clean one: `objective.levels` of the regression.

    >>> [round(1000 * level, 2) for level in stored_levels(48, 4, shift=8)]
    [1000.0, 960.0, 888.89, 727.27]
    """
    every = denoising_levels(steps, shift)
    return tuple(every[step] for step in kept_steps(steps, levels)[:-1])


def write_pairs(
    teacher: Path,
    folder: Path,
    prompts: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 48,
    levels: int = 4,
    guidance_scale: float = 3.0,
    shift: float = 8.0,
    batch: int = 16,
) -> str:
    """Sample one trajectory a prompt and store some of its states: `reward-forcing data pairs`.

    Args:
        teacher: an exported teacher.
        folder: to write into; an interrupted run continues.
        prompts: what to sample.
        seed: of the noise of the first; the others count on from it.
        steps: Euler steps of the sampler.
        levels: stored states besides the clean one.
        guidance_scale: in the standard convention.
        shift: how far the noise levels lean towards 1.
        batch: trajectories sampled together.

    Returns:
        What was written and how to train on it.

    Raises:
        ValueError: the export cannot be read, the steps cannot be stored evenly, or the folder holds something else.
    """
    kept, streamer = kept_steps(steps, levels), load_streamer(teacher)

    def samples(numbers: range) -> Iterator[Sample]:
        for first in range(numbers.start, numbers.stop, batch):
            some = range(first, min(first + batch, numbers.stop))
            path = streamer.trajectory(
                [prompts[index] for index in some],
                [seed + index for index in some],
                steps=steps,
                guidance_scale=guidance_scale,
                shift=shift,
            )
            states = torch.stack([state for step, state in enumerate(path) if step in kept], 1)
            for index, some_states in zip(some, states, strict=True):
                yield {"states.npy": some_states.half().numpy(), "caption.txt": prompts[index]}

    origin = {
        "teacher": read_notes(teacher).get("name", str(teacher)),
        "seed": seed,
        "steps": steps,
        "levels": levels,
        "guidance_scale": guidance_scale,
        "shift": shift,
    }
    write_shards(folder, samples, clips=len(prompts), origin=origin)
    shown = ",".join(f"{level:.4f}" for level in stored_levels(steps, levels, shift))
    return (
        f"{len(prompts)} trajectories in {folder}\n"
        f"train on them: reward-forcing train experiments=toy_ode data.content.source.path={folder} "
        f"objective.levels=[{shown}]"
    )
