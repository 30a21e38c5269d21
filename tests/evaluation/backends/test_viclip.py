"""The middle frames of every part, and the prompt that VBench knows the video under."""

import torch

from evaluation.backends.viclip import official_prompts
from evaluation.networks.viclip import ViClip, text_features, video_feature
from evaluation.signals import Asked
from tests.evaluation.backends.small import VICLIP, smooth, watched
from tests.evaluation.networks.filling import filled

NETWORK = filled(ViClip(**VICLIP), std=0.3)


def test_every_part_is_seen_as_a_video_of_its_own() -> None:
    video = smooth(20, 40, 60, clips=2)
    signal = watched("viclip", video, Asked(("a", "b"), 20, 8.0, ((0, 20), (0, 11))), size=6)["viclip"]
    for stop in (20, 11):
        torch.testing.assert_close(signal.exactly(0, stop)[1], video_feature(NETWORK, video[1, :stop]))
    assert signal.exactly(1, 20).isnan().all()


def test_videos_are_compared_with_their_official_prompt() -> None:
    asked = Asked(("a fox", "a long tale of a boat"), 9, 8.0, ((0, 9),), ({}, {"official_prompt": "a boat"}))
    assert official_prompts(asked) == ["a fox", "a boat"]
    signal = watched("viclip", smooth(9, 40, 60, clips=2), asked)["viclip_prompts"]
    torch.testing.assert_close(signal.values[:, 0], text_features(NETWORK, ["a fox", "a boat"]))
