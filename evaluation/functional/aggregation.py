"""From scores of videos to the score of a model, by our rule and by those of VBench's command.

Ours is the mean over videos. With one GPU VBench's command weights some dimensions by frames, with several it does not;
for videos of one length the rules agree, but for one: appearance style on several GPUs counts last frames only.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

Rule = Literal["video", "official_1gpu", "official_ngpu"]

PAIRS: Final = "pairs"
FRAMES: Final = "frames"
LAST: Final = "last"

OFFICIAL: Final[Mapping[str, tuple[str, str]]] = {
    "subject_consistency": (PAIRS, ""),
    "background_consistency": (PAIRS, PAIRS),
    "appearance_style": (FRAMES, LAST),
}
"""What weights videos on one GPU and on several; other dimensions weight all videos alike on both."""


def aggregate(
    name: str,
    scores: Sequence[float],
    frames: Sequence[int],
    rule: Rule = "video",
    *,
    last: Sequence[float] | None = None,
) -> float:
    """The score of a model.

    Args:
        name: of the metric.
        scores: of its videos; NaN is left out.
        frames: how many each has.
        rule: "video" is the mean over videos.
        last: scores of the videos' last frames, for appearance style by the rule for several GPUs.

    Raises:
        ValueError: lengths differ, or last frames are needed.

    >>> [aggregate("subject_consistency", [1.0, 0.0], [4, 2], rule) for rule in ("video", "official_1gpu")]
    [0.5, 0.75]
    """
    if len(scores) != len(frames):
        raise ValueError(f"{name}: {len(scores)} scores for {len(frames)} videos; there must be one each")
    by = {"video": "", "official_1gpu": OFFICIAL.get(name, ("", ""))[0]}.get(rule, OFFICIAL.get(name, ("", ""))[1])
    if by == LAST and (last is None or len(last) != len(frames)):
        raise ValueError(f"{name}: {rule} is the mean over last frames; their scores must be given, one a video")
    values = np.array(last if by == LAST else scores, float)
    weights = {PAIRS: np.array(frames) - 1, FRAMES: np.array(frames)}.get(by, np.ones(len(frames)))
    known = ~np.isnan(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else float("nan")
