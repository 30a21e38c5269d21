"""OWLv2 of a real class with random weights; what is kept of what it finds; what is looked for at all."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evaluation.backends import detector
from evaluation.backends.backend import Footage, discover
from evaluation.backends.detector import BOXES, FRAMES, Owl, sights, surest, watch
from evaluation.backends.equip import equip
from evaluation.evidence import look
from evaluation.functional.colours import NAMES
from evaluation.networks.frames import middle_frames
from tests.evaluation.backends.owl_folder import write_owl
from tests.evaluation.networks.filling import noise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_owl(tmp_path_factory.mktemp("weights") / "owlv2")


@pytest.fixture(scope="module")
def owl(folder: Path) -> Owl:
    return Owl(folder, CPU)


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (40, 40)])
def test_boxes_are_shares_of_the_picture(owl: Owl, size: tuple[int, int]) -> None:
    """OWLv2 pads pictures to squares, and its boxes are shares of these: centre and size."""
    frame, side = noise(3, *size), max(size)
    inputs = owl.processor(text=[["a photo of a dog"]], images=[frame], return_tensors="pt")
    with torch.no_grad():
        seen = owl.model(**inputs)
    scores, order = seen.logits[0, :, 0].sigmoid().sort(descending=True)
    centre, extent = seen.pred_boxes[0, order[:BOXES]].split(2, 1)
    square = torch.cat([centre - extent / 2, centre + extent / 2], 1)
    scale = side / torch.tensor([size[1], size[0]] * 2)
    found = owl(frame, ["dog"])[0]
    assert (scores[:BOXES] > detector.THRESHOLD).all()
    torch.testing.assert_close(found[:, 0], scores[:BOXES])
    torch.testing.assert_close(found[:, 1:], square * scale, atol=1e-4, rtol=1e-4)


def test_every_box_has_one_name(owl: Owl) -> None:
    found = owl(noise(3, 48, 64), ["dog", "cat", "red kite"])
    assert found.shape == (3, BOXES, 5)
    boxes = found[found[..., 0] > 0][:, 1:]
    assert len(boxes.unique(dim=0)) == len(boxes)


def test_names_of_any_length_are_taken(owl: Owl) -> None:
    assert owl(noise(3, 48, 64), ["a very long name " * 9]).shape == (1, BOXES, 5)


def test_the_surest_boxes_are_kept() -> None:
    rows = torch.rand(9, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 0, 2, 2])
    kept = surest(rows, labels, 3)
    assert kept[0, :, 0].tolist() == sorted(rows[:7, 0].tolist(), reverse=True)[:BOXES]
    assert kept[1, :, 0].tolist() == [0.0] * BOXES
    assert kept[1, :, 1:].isnan().all()
    assert (kept[2, :, 0] > 0).tolist() == [True, True, False, False, False]


def scripted(frame: Tensor, names: Sequence[str]) -> Tensor:
    """The left half is everything that is asked for but ghosts."""
    rows = torch.tensor([[0.9, 0.0, 0.0, 0.5, 1.0]])
    assert frame.dtype == torch.uint8
    return torch.cat([surest(rows, torch.tensor([int(name == "ghost")]), 1) for name in names])


def test_what_is_found_is_kept_with_its_colours() -> None:
    frames = torch.zeros(2, 3, 3, 8, 8, dtype=torch.uint8)
    frames[:, :, 0, :, :4] = 230
    made = sights(scripted, [("dog", "ghost"), ()], frames)
    assert made.shape == (2, 3, 2, BOXES, 5 + len(NAMES))
    assert made[0, :, 0, 0, 5 + NAMES.index("red")].tolist() == [1.0] * 3
    assert made[0, :, 1, 0, 5:].isnan().all()
    assert made[0, :, 1, :, 0].eq(0).all(), "looked for and not found"
    assert made[1].isnan().all(), "not looked for"


def test_the_middles_of_equal_parts_are_looked_at() -> None:
    shown: list[int] = []

    def counting(frame: Tensor, names: Sequence[str]) -> Tensor:
        shown.append(int(frame[0, 0, 0]))
        return scripted(frame, names)

    frames = torch.arange(80, dtype=torch.uint8)[None, :, None, None, None].expand(1, 80, 3, 4, 4)
    asked: dict[str, Any] = {"prompts": ["a dog"], "windows": [(0, 21)]}
    evidence = looked(frames, [{"objects": ["dog"]}], partial(watch, detector=counting), **asked)
    assert sorted(shown) == sorted(middle_frames(80, FRAMES) + middle_frames(21, FRAMES))
    assert evidence.overall("objects").shape == (1, FRAMES, 1, BOXES, 5 + len(NAMES))


def looked(frames: Tensor, details: Sequence[dict[str, Any]], extractor: Any, *, prompts: Any, windows: Any) -> Any:
    from evaluation.evidence import observe
    from evaluation.signals import Asked

    asked = Asked(tuple(prompts), frames.shape[1], 8.0, (*windows, (0, frames.shape[1])), tuple(details))
    return observe(frames.split(16, 1), asked, {"detector": extractor})


def test_nothing_is_looked_for_where_nothing_is_asked() -> None:
    def never(*_: object) -> Tensor:
        raise AssertionError

    evidence = look(noise(1, 20, 3, 8, 8), ["a dog"], instruments={"detector": partial(watch, detector=never)})
    assert evidence.overall("objects").isnan().all()
    assert evidence.notes == ()


def test_wrong_metadata_become_a_note() -> None:
    details: list[dict[str, Any]] = [{"objects": "dog"}, {"objects": ["dog"]}]
    extractor = partial(watch, detector=scripted)
    evidence = looked(noise(2, 20, 3, 8, 8), details, extractor, prompts=["a", "b"], windows=[])
    assert evidence.overall("objects")[0].isnan().all()
    assert evidence.overall("objects")[1, :, 0, 0, 0] == pytest.approx(0.9)
    assert evidence.notes == (
        "no objects are looked for: metadata.objects is 'dog'; allowed: a list of one or two names",
    )


def test_weights_are_found_and_others_refused(folder: Path, tmp_path: Path) -> None:
    found = equip(["detector"], [folder.parent])
    assert found.missing == {}
    assert "detector sha256:" in found.fingerprints["detector"]
    assert "owlv2 " in found.fingerprints["detector"]
    assert "hf download google/owlv2-base-patch16-ensemble" in equip(["detector"], [tmp_path]).missing["detector"]
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    why = equip(["detector"], [f"detector={tmp_path / 'model.safetensors'}"]).missing["detector"]
    assert "is no detector of transformers" in why


def test_detectors_of_other_kinds_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "MODELS", ("owlvit",))
    with pytest.raises(ValueError, match=r"is 'owlv2'; allowed: owlvit"):
        Owl(folder, CPU)


def test_costs_are_of_frames_not_of_lengths() -> None:
    cost = discover()["detector"].cost
    assert cost(Footage(81, 480, 832, 16)) == cost(Footage(810, 480, 832, 16)) == 2 * FRAMES * detector.GFLOP
