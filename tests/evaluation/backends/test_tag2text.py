"""Whether captions of the middle frames of every part have the words of the scene."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evaluation.backends.tag2text import BACKENDS, hits, require_words, says, scene_of
from evaluation.networks.frames import middle_frames
from evaluation.networks.tag2text import captions
from evaluation.signals import Asked
from tests.evaluation.backends.small import VOCABULARY, small_tag2text, small_words, smooth, watched

CITY = {"scene": "city"}


def test_every_part_is_seen_as_a_video_of_its_own() -> None:
    video = smooth(20, 48, 60, clips=2, seed=1)
    signals = watched("tag2text", video, Asked(("a", "b"), 20, 8.0, ((0, 20), (0, 9)), (CITY, CITY)), size=4)
    for stop in (20, 9):
        for clip in (0, 1):
            said = captions(small_tag2text(), small_words(), video[clip, middle_frames(stop, 16)])
            expected = [float("city" in caption) for caption in said]
            assert signals["scene_hits"].exactly(0, stop)[clip].tolist() == expected


def test_videos_without_a_scene_have_no_answer() -> None:
    signals = watched("tag2text", smooth(4, 40, 48, clips=2), Asked(("a", "b"), 4, 8.0, ((0, 4),), (CITY, {})))
    assert signals["scene_hits"].values.isfinite().all(2).tolist() == [[True], [False]]


def test_answers_are_of_the_videos_own_scene() -> None:
    chosen = smooth(2, 40, 48, clips=2)
    said = captions(small_tag2text(), small_words(), chosen[0])
    assert said[0]
    found = hits(chosen, scenes=(said[0], "no such words"), network=small_tag2text(), words=small_words())
    assert found[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("caption", "scene", "there"),
    [
        ("a city park at night", "park city", True),
        ("a car in a garage", "car", True),
        ("a carriage", "car", True),
        ("a city", "city park", False),
        ("", "park", False),
    ],
)
def test_all_words_must_be_said_in_any_order(caption: str, scene: str, there: bool) -> None:
    assert says(caption, scene) == there


@pytest.mark.parametrize(
    "details",
    [
        {"scene": "alley"},
        {"scene": {"scene": "alley"}},
        {"vbench": {"auxiliary_info": {"scene": {"scene": "alley"}}}},
        {"vbench": {"auxiliary_info": {"scene": {"scene": {"scene": "alley"}}}}},
        {"scene": "alley", "vbench": {"auxiliary_info": {"scene": {"scene": "beach"}}}},
    ],
)
def test_scenes_are_found_in_the_metadata(details: dict[str, object]) -> None:
    assert scene_of(details) == "alley"


@pytest.mark.parametrize("details", [{}, {"vbench": {}}, {"vbench": {"auxiliary_info": {"color": {"color": "red"}}}}])
def test_metadata_without_a_scene(details: dict[str, object]) -> None:
    assert scene_of(details) == ""


def test_lists_must_fit_the_network() -> None:
    words = small_words()
    require_words(words, small_tag2text())
    with pytest.raises(ValueError, match="tag2text: the list of tags has 3; allowed: 4"):
        require_words(replace(words, tags=words.tags[:3]), small_tag2text())
    with pytest.raises(ValueError, match="tag2text: the list of words has 20; allowed: 19"):
        require_words(replace(words, vocabulary=(*VOCABULARY, "more")), small_tag2text())


def test_lists_are_read_before_the_network(tmp_path: Path) -> None:
    (tmp_path / "tag_class.py").write_text("tra_array = ['city']\n")
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    paths = [tmp_path / name for name in ("none.pth", "tag_class.py", "vocab.txt")]
    with pytest.raises(ValueError, match=r"tag2text: .*none.pth is not there"):
        BACKENDS[0].load(paths, torch.device("cpu"))
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ValueError, match=r"tag2text: .*vocab.txt is not there"):
        BACKENDS[0].load(paths, torch.device("cpu"))
