"""What learning from clips takes, by objective: which passes the student makes, with gradients and without."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from reward_forcing.plan.activations import PRODUCT, backward_workspace, forward_workspace, kept
from reward_forcing.plan.costs import Pass, forward_flops, kv_bytes, seen_frames, training_flops
from reward_forcing.plan.networks import Network, Node
from reward_forcing.plan.situation import Situation


@dataclass(frozen=True, kw_only=True)
class Work:
    """The passes of a micro-batch.

    Args:
        learning: of the network that learns, kept together until they are backward.
        judging: of the same network, without gradients.
        guiding: of a guiding teacher.
    """

    learning: tuple[Pass, ...]
    judging: tuple[Pass, ...] = ()
    guiding: tuple[Pass, ...] = ()


def whole_clips(run: Situation, objective: Node) -> Work:  # noqa: ARG001 (of one signature)
    """One pass over clips: bidirectional, or under a mask, which leaves out no products (diffusion forcing, ODE)."""
    return Work(learning=(run.clip(run.micro),))


def teacher_forcing(run: Situation, objective: Node) -> Work:
    """A noisy and a clean pass of every chunk, in one batch, with what its memory holds; the widest of the memories."""
    windows = [memory["window_frames"] for memory in objective["memories"]]
    window = None if None in windows else max(windows)
    chunks = range(run.geometry.chunks)
    seen = (seen_frames(run.geometry, window, index) for index in chunks)
    one = replace(run.clip(2 * run.micro), frames=run.geometry.chunk_frames)
    return Work(learning=tuple(replace(one, keys=keys) for keys in seen))


def consistency(run: Situation, objective: Node) -> Work:  # noqa: ARG001 (of one signature)
    """Clean and noisy frames side by side, with gradients and for the target; a teacher under guidance."""
    both = replace(run.clip(run.micro), frames=2 * run.geometry.frames)
    return Work(learning=(both,), judging=(both,), guiding=(run.clip(2 * run.micro),))


Count = Callable[[Situation, Node], Work]

OBJECTIVES: Final[dict[str, Count]] = {"TeacherForcing": teacher_forcing, "Consistency": consistency}
"""By the end of an objective's target; others take whole clips."""


def work_of(run: Situation, module: Node) -> Work:
    """The passes of a module that learns from clips."""
    objective: Node = module.get("objective") or {}
    name = str(objective.get("_target_", "")).rpartition(".")[2]
    return OBJECTIVES.get(name, whole_clips)(run, objective)


def operations(work: Work, student: Network, guide: Network | None) -> float:
    """Operations of a micro-batch."""
    learning = sum(training_flops(student.sizes, one, checkpointing=student.checkpointing) for one in work.learning)
    return learning + _forward(student, work.judging) + (_forward(guide, work.guiding) if guide else 0)


def _forward(network: Network, passes: Iterable[Pass]) -> float:
    return sum(forward_flops(network.sizes, one) for one in passes)


def phases(run: Situation, work: Work, student: Network, guide: Network | None) -> dict[str, int]:
    """Bytes of each phase on top of what lies in memory all the time.

    What a pass read from memory is counted with its keys; recomputed blocks keep it for computing them again.
    """
    precision, checkpointing = run.precision(student), student.checkpointing
    held = sum(kept(student.sizes, one, precision, checkpointing=checkpointing) for one in work.learning)
    held += round(checkpointing * sum(_read(one, student, PRODUCT[precision]) for one in work.learning))
    backward = max(
        backward_workspace(student.sizes, one, precision, checkpointing=checkpointing) for one in work.learning
    )
    found = {"clips: backward": held + backward}
    if work.judging:
        found["clips: target"] = max(forward_workspace(student.sizes, one) for one in work.judging)
    if guide and work.guiding:
        found["clips: teacher"] = max(forward_workspace(guide.sizes, one) for one in work.guiding)
    return found


def _read(one: Pass, student: Network, width: int) -> int:
    """Bytes of the keys and values that a pass takes from memory."""
    frames = (one.keys or one.frames) - one.frames
    return kv_bytes(student.sizes, frames=frames, tokens=one.tokens, batch=one.batch, width=width)
