"""What a training step needs for a while, on top of what lies in memory all the time; and how much it computes."""

from collections.abc import Mapping

from reward_forcing.plan.activations import (
    PRODUCT,
    backward_workspace,
    eight_bits_workspace,
    forward_workspace,
    kept,
)
from reward_forcing.plan.costs import BACKWARD, forward_flops, training_flops
from reward_forcing.plan.networks import Network
from reward_forcing.plan.situation import Situation

Networks = Mapping[str, Network]


def rollout_memory(run: Situation, student: Network) -> int:
    """Bytes of keys and values while a chunk is generated: the memory, and what one layer reads of it."""
    precision = run.precision(student)
    chunk = run.geometry.chunk_frames
    past = (run.chunk(run.chunks - 1).keys or chunk) - chunk
    dearer = (run.sink_width or PRODUCT[precision]) / PRODUCT[precision] - 1
    frames = past + min(run.sink, past) * dearer + past / student.sizes.layers
    return run.remembered(student.sizes, frames, precision)


def kept_by_rollout(run: Situation, student: Network) -> int:
    """Bytes that a rollout with gradients keeps until it is backward: of every chunk's last denoising pass.

    What a recomputed block read from memory is kept too, for computing it again.
    """
    precision, total = run.precision(student), 0
    for index in run.scored:
        chunk = run.chunk(index)
        total += kept(student.sizes, chunk, precision, checkpointing=student.checkpointing)
        read = (chunk.keys or 0) - chunk.frames
        total += run.remembered(student.sizes, student.checkpointing * read, precision)
    return total


def distillation_phases(run: Situation, networks: Networks, *, decoding: int) -> dict[str, int]:
    """Bytes of each phase of a student's and a fake score's step.

    Args:
        run: how it runs.
        networks: student, fake_score, teacher.
        decoding: bytes that judging takes.
    """
    student, fake, teacher = (networks[name] for name in ("student", "fake_score", "teacher"))
    held, memory = kept_by_rollout(run, student), rollout_memory(run, student)
    chunk = run.chunk(run.chunks - 1)
    pair = run.clip(2 * run.micro)
    scores = [forward_workspace(teacher.sizes, pair), forward_workspace(fake.sizes, run.clip(run.micro))]
    scores[0] += eight_bits_workspace(teacher.sizes, pair) if teacher.eight_bits else 0
    passing = forward_workspace(student.sizes, chunk)
    backward = backward_workspace(student.sizes, chunk, run.precision(student), checkpointing=student.checkpointing)
    return {
        "student: rollout": held + memory + passing,
        "student: reward": held + decoding,
        "student: scores": held + max(scores),
        "student: backward": held + backward,
        "fake score: rollout": memory + passing,
        "fake score: backward": clip_phase(run, fake),
        "update": max(update(run, student), update(run, fake)),
    }


def clip_phase(run: Situation, network: Network) -> int:
    """Bytes of learning from whole clips."""
    clip, precision = run.clip(run.micro), run.precision(network)
    held = kept(network.sizes, clip, precision, checkpointing=network.checkpointing)
    return held + backward_workspace(network.sizes, clip, precision, checkpointing=network.checkpointing)


def update(run: Situation, network: Network) -> int:
    """Bytes of an optimiser's step, at most: a copy of what learns, all tensors at once; fused ones make none."""
    return network.learning * network.width // run.shares


def rollout_flops(run: Situation, student: Network, *, gradients: bool) -> float:
    """Operations of a rollout, the mean over exit steps; a context pass after each chunk but the last."""
    backward = (BACKWARD + student.checkpointing) if gradients else 0
    total = 0.0
    for index in range(run.chunks):
        one = forward_flops(student.sizes, run.chunk(index))
        passes = (run.levels + 1) / 2 + (index < run.chunks - 1)
        total += one * (passes + (backward if index in run.scored else 0))
    return total


def distillation_flops(run: Situation, networks: Networks, fake_score_steps: int, *, judging: float) -> float:
    """Operations of a mean step for one micro-batch: of one turn of the student's and those of the fake score.

    Args:
        run: how it runs.
        networks: student, fake_score, teacher.
        fake_score_steps: steps of the fake score after each of the student's.
        judging: operations of decoding what a reward is to judge.
    """
    student, fake, teacher = (networks[name] for name in ("student", "fake_score", "teacher"))
    clip, pair = run.clip(run.micro), run.clip(2 * run.micro)
    scores = forward_flops(teacher.sizes, pair) + forward_flops(fake.sizes, clip)
    student_turn = rollout_flops(run, student, gradients=True) + scores + judging
    learning = training_flops(fake.sizes, clip, checkpointing=fake.checkpointing)
    fake_turn = rollout_flops(run, student, gradients=False) + learning
    return (student_turn + fake_score_steps * fake_turn) / (1 + fake_score_steps)
