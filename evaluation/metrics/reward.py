"""VideoReward's marks as metrics: how videos move and look, and whether they show what the words say.

In standard deviations of the judge's training set, about 0 for its videos. A model trained on the reward `video_align`
is not judged by them: reports mark them "optimised" there, all of them, since one network gives all marks.
"""

from functools import partial

from jaxtyping import Float
from torch import Tensor

from evaluation.backends.video_reward import column
from evaluation.evidence import Evidence
from evaluation.measure import Measure


def mark(evidence: Evidence, name: str) -> Float[Tensor, " clip"]:
    """One of VQ, MQ, TA."""
    return evidence.overall("video_reward")[:, column(name)]


def overall(evidence: Evidence) -> Float[Tensor, " clip"]:
    """The sum of all three, as VideoAlign has it; Reward Forcing's released code takes the mean."""
    return evidence.overall("video_reward").sum(1)


REWARD = partial(
    Measure,
    unit="sd",
    better="higher",
    kind="any",
    needs=("video_reward",),
    scope="whole",
    optimised_by=("video_align", "VideoReward"),
)
MEASURES = (
    REWARD(name="video_reward_mq", title="VideoReward motion", function=partial(mark, name="MQ")),
    REWARD(name="video_reward_vq", title="VideoReward visual", function=partial(mark, name="VQ")),
    REWARD(name="video_reward_ta", title="VideoReward text", function=partial(mark, name="TA")),
    REWARD(name="video_reward_overall", title="VideoReward sum", function=overall),
)
