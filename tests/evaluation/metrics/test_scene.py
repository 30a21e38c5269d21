"""Scene as VBench counts it, and as it was meant."""

import torch
from torch import Tensor

from evaluation.evidence import Evidence, observe
from evaluation.measure import discover
from evaluation.signals import Asked
from tests.evaluation.backends.small import extractors, smooth

MEASURES = discover()


def evidence(hits: Tensor) -> Evidence:
    """Of videos with these answers."""
    clips = len(hits)
    asked = Asked(("a",) * clips, 4, 8.0, ((0, 4),), ({"scene": "city"},) * clips)
    found = observe([smooth(4, 40, 48, clips=clips)], asked, {"tag2text": extractors()["tag2text"]})
    signal = found.signals["scene_hits"]
    assert signal.values.shape == (clips, 1, 16)
    signal.values[:, 0] = hits
    return found


def test_vbench_hears_of_six_frames() -> None:
    """Each of the first five three times, of the sixth once, of others never: so says VBench 0.1.5 itself."""
    found = MEASURES["scene"](evidence(torch.eye(16)))
    assert (found * 16).tolist() == [3, 3, 3, 3, 3, 1, *[0] * 10]


def test_all_frames_count_alike_where_they_are_meant_to() -> None:
    found = evidence(torch.tensor([[1.0] * 4 + [0.0] * 12, [1.0] * 16, [0.0] * 16]))
    assert MEASURES["scene_all_frames"](found).tolist() == [0.25, 1, 0]
    assert MEASURES["scene"](found).tolist() == [0.75, 1, 0]


def test_no_scene_no_score() -> None:
    found = evidence(torch.tensor([[torch.nan] * 16, [1.0] * 16]))
    for name in ("scene", "scene_all_frames"):
        assert MEASURES[name](found).isnan().tolist() == [True, False]


def test_parts_that_were_not_looked_at_have_no_score() -> None:
    found = evidence(torch.ones(1, 16)).between(0, 3)
    assert MEASURES["scene"](found).isnan().all()
