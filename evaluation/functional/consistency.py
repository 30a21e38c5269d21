"""How alike the frames of a video are, by their features: VBench's subject and background consistency."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize


def consistency(features: Float[Tensor, "clip frame feature"]) -> Float[Tensor, "clip frame-1"]:
    """Of every frame but the first: half its cosine to the frame before plus half its cosine to the first, each >= 0.

    The mean over frames is VBench's score of a video (0.1.5's loop on random features: equal to 2e-8). Within a window
    the first frame is the window's own. A frozen video has 1.

    >>> import torch
    >>> angles = torch.tensor([0.0, 1.0, 2.0])
    >>> consistency(torch.stack([angles.cos(), angles.sin()], 1)[None])  # (cos 1 + cos 1) / 2, (cos 1 + 0) / 2
    tensor([[0.5403, 0.2702]])
    """
    unit = normalize(features, dim=-1)
    later = unit[:, 1:]
    before: Tensor = (later * unit[:, :-1]).sum(-1).clamp(min=0)
    first: Tensor = (later * unit[:, :1]).sum(-1).clamp(min=0)
    return (before + first) / 2


def fused(
    within: float, between: float, mapped: Callable[[float], float], weights: tuple[float, float] = (0.5, 0.5)
) -> float:
    """VBench-Long's slow-fast consistency of a video: that within its clips, and that between them on the same scale.

    Args:
        within: mean consistency of the clips.
        between: consistency of the sequence of the clips' first frames.
        mapped: from a score between clips to the scale within them: a table of the user's copy of VBench
            (`evaluation.vbench.long.mapping_table`).
        weights: of the two. The official command counts the first alone unless told otherwise.

    Returns:
        The weighted sum; `within` alone where the mapped score is 0.

    >>> fused(0.9, 0.5, lambda score: 0.8 + 0.2 * score)
    0.9
    """
    onto = mapped(between)
    return weights[0] * within + weights[1] * onto if onto else within


def clip_starts(frames: int, length: int) -> list[int]:
    """The first frames of VBench-Long's clips: one after the other, the last reaching back to its full length.

    >>> clip_starts(50, 16), clip_starts(10, 16), clip_starts(32, 16)
    ([0, 16, 32, 34], [0], [0, 16])

    Raises:
        ValueError: a clip has no frames.
    """
    if length < 1:
        raise ValueError(f"clips of {length} frames; a clip has at least 1")
    whole, rest = divmod(frames, length)
    starts = [clip * length for clip in range(max(whole, 1))]
    return [*starts, whole * length - (length - rest)] if whole and rest else starts
