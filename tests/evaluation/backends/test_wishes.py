"""What videos should show, from VBench's notes and from the manifest's own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.backends.wishes import DIMENSIONS, Wish, queries, wishes
from evaluation.folders import import_folder
from evaluation.vbench.source import find_copy
from evaluation.vbench.suites import read_suite
from evaluation.vbench.totals import DIMENSIONS as KNOWN
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.vbench.vbench_copy import write_clone

PLACE = {"object_a": "bicycle", "object_b": "car", "relationship": "on the left of"}


def noted(dimension: str, content: object) -> dict[str, Any]:
    return {"vbench": {"dimensions": [dimension], "auxiliary_info": {dimension: content}}}


@pytest.mark.parametrize(
    ("prompt", "details", "expected"),
    [
        ("a person", noted("object_class", {"object": "person"}), Wish(("person",))),
        ("a bird and a cat", noted("multiple_objects", {"object": "bird and cat"}), Wish(("bird", "cat"))),
        ("a red bicycle", noted("color", {"color": "red"}), Wish(("bicycle",), "red")),
        ("an orange wine glass", noted("color", {"color": "orange"}), Wish(("wine glass",), "orange")),
        (
            "a bicycle on the left of a car, front view",
            noted("spatial_relationship", {"spatial_relationship": PLACE}),
            Wish(("bicycle", "car"), relationship="on the left of"),
        ),
    ],
)
def test_vbench_notes(prompt: str, details: dict[str, Any], expected: Wish) -> None:
    assert [*wishes(prompt, details).values()] == [expected]
    assert set(wishes(prompt, details)) == set(details["vbench"]["auxiliary_info"])


def test_the_short_prompt_names_the_object() -> None:
    details = {**noted("color", {"color": "red"}), "official_prompt": "a red kite"}
    assert wishes("High above the dunes, a kite of glowing red dances", details)["color"].objects == ("kite",)


def test_notes_of_ones_own() -> None:
    one = wishes("x", {"objects": ["dog"], "color": "brown"})
    assert one == {"object_class": Wish(("dog",), "brown"), "color": Wish(("dog",), "brown")}
    two = wishes("x", {"objects": ["dog", "cat"], "relationship": "above"})
    assert set(two) == {"multiple_objects", "spatial_relationship"}
    assert queries(two) == ("dog", "cat")
    assert queries({"a": Wish(("dog", "cat")), "b": Wish(("cat", "bird"))}) == ("dog", "cat", "bird")


@pytest.mark.parametrize("details", [{}, {"objects": []}, {"color": "red"}, noted("appearance_style", {"x": "y"})])
def test_nothing_is_asked(details: dict[str, Any]) -> None:
    assert wishes("a red kite", details) == {}


@pytest.mark.parametrize(
    ("details", "message"),
    [
        ({"objects": "dog"}, "metadata.objects is 'dog'; allowed: a list of one or two names"),
        ({"objects": ["a", "b", "c"]}, "allowed: a list of one or two names"),
        ({"objects": [5]}, "allowed: a list of one or two names"),
        (noted("object_class", "person"), "metadata.vbench.auxiliary_info is {'object_class': 'person'}"),
        (noted("multiple_objects", {"object": "bird"}), "VBench writes it otherwise"),
        (noted("spatial_relationship", PLACE), "VBench writes it otherwise"),
        ({"vbench": {"auxiliary_info": ["color"]}}, "VBench writes it otherwise"),
    ],
)
def test_other_forms_are_refused(details: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wishes("a prompt", details)


def test_dimensions_are_vbenchs() -> None:
    assert set(DIMENSIONS) <= set(KNOWN)


def test_imported_folders_say_what_they_should_show(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    write_clip(videos / "a red kite-0.mp4", Clip(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), 8))
    found = import_folder(videos, official=True, suite=read_suite(find_copy(write_clone(tmp_path / "clone"))))
    (entry,) = found.entries
    assert wishes(entry.prompt, entry.metadata) == {"color": Wish(("kite",), "red")}
