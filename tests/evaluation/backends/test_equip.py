"""What is there becomes an instrument, what is missing or wrong a reason; evaluations go on without."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from evaluation.backends import dino
from evaluation.backends.backend import Backend, File, discover
from evaluation.backends.equip import assemble, chosen_device, equip, fingerprint, needed_by
from evaluation.backends.locate import Shelf
from evaluation.evaluate import evaluate
from evaluation.instruments import BUILT_IN
from evaluation.measure import choose
from evaluation.networks.dino import Dino, load_dino
from evaluation.provenance import digest
from evaluation.signals import Extractor
from tests.evaluation.backends.small import DINO, equipment
from tests.evaluation.made import frozen, intact, write_study
from tests.evaluation.networks.filling import filled

CPU = torch.device("cpu")


def load_small(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(dino.watch_frames, network=load_dino(paths[0], **DINO).to(device), side=24)


SMALL = replace(discover()["dino"], load=load_small)


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    torch.save(filled(Dino(**DINO), std=0.2).state_dict(), tmp_path / "weights/dino_vitbase16_pretrain.pth")
    return tmp_path / "weights"


def test_missing_weights_are_told_and_nothing_is_imported(tmp_path: Path) -> None:
    found = equip(["pixels", "dino", "flow"], [tmp_path])
    assert found.instruments == BUILT_IN
    assert found.missing["dino"].startswith("DINO ViT-B/16: dino_vitbase16_pretrain.pth is neither in")
    assert "https://download.pytorch.org" in found.missing["flow"]


def test_weights_that_are_there_become_an_instrument(folder: Path) -> None:
    found = assemble([SMALL], Shelf(folder=folder), CPU)
    assert found.missing == {}
    assert set(found.instruments) == {*BUILT_IN, "dino"}
    sha = digest(folder / "dino_vitbase16_pretrain.pth")
    assert found.fingerprints == {"dino": f"dino sha256:{sha}, cpu"}


def test_fingerprints_have_versions_of_libraries(folder: Path) -> None:
    other = replace(SMALL, libraries=("open_clip", "PIL"))
    words = fingerprint(other, [folder / "dino_vitbase16_pretrain.pth"], CPU)
    assert ", open_clip 3." in words
    assert ", PIL 1" in words


def test_wrong_weights_are_named(folder: Path) -> None:
    """The small file is no ViT-B."""
    reason = equip(["dino"], [folder]).missing["dino"]
    assert "dino_vitbase16_pretrain.pth does not fit Dino: 120 missing, first blocks.2.norm1.weight" in reason
    assert "misshaped, first cls_token [1, 1, 16], not [1, 1, 768]" in reason
    (folder / "dino_vitbase16_pretrain.pth").write_bytes(b"<html>not found</html>")
    assert "cannot be read as a file of tensors" in equip(["dino"], [folder]).missing["dino"]


def test_missing_libraries_are_named_before_weights() -> None:
    missing = assemble([replace(SMALL, libraries=("no_such_library",))], Shelf(), CPU).missing["dino"]
    assert missing == "DINO ViT-B/16: no_such_library is not installed; pip install no_such_library"


def test_an_evaluation_skips_what_it_has_no_weights_for_and_goes_on_when_they_are_there(
    folder: Path, tmp_path: Path
) -> None:
    manifest = write_study(tmp_path, {"a": intact, "b": frozen}, frames=6)
    names = ["subject_consistency", "frame_difference"]
    found = equip(needed_by(choose(names).values()), [tmp_path])
    evaluate(manifest, equipment=found, progress=False, baselines=False)
    held = json.loads((tmp_path / "results.json").read_text())
    assert "DINO ViT-B/16: dino_vitbase16_pretrain.pth is neither" in held["skipped"]["subject_consistency"]
    assert "subject_consistency" not in held["measures"]
    with pytest.raises(ValueError, match=r"metrics: subject_consistency: DINO ViT-B/16: .* get it \(343 MB\)"):
        evaluate(manifest, equipment=found, metrics=names, progress=False)
    evaluate(manifest, equipment=assemble([SMALL], Shelf(folder=folder), CPU), progress=False, baselines=False)
    held = json.loads((tmp_path / "results.json").read_text())
    means = {e["cell"]: e["mean"] for e in held["estimates"] if (e["metric"], e["window"]) == (names[0], "all")}
    assert means["b"] == pytest.approx(1, abs=1e-4)
    assert means["a"] < 0.9999
    assert held["protocol"]["instruments"]["dino"].startswith("dino sha256:")


def test_needs_are_joined() -> None:
    measures = choose(["static_flickering", "dynamic_degree", "frame_difference"]).values()
    assert needed_by(measures) == ["pixels", "stillness", "flow"]


def test_devices_are_checked() -> None:
    assert chosen_device("cpu") == CPU
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device is cuda:0, but there is no GPU that this torch can use"):
            chosen_device("cuda:0")


def test_a_file_may_be_given_alone(folder: Path, tmp_path: Path) -> None:
    moved = (folder / "dino_vitbase16_pretrain.pth").rename(tmp_path / "other_name.pth")
    found = assemble([SMALL], Shelf({"dino": moved}), CPU)
    assert "dino" in found.instruments
    with pytest.raises(ValueError, match="weights: 'dinos' is unknown"):
        equip(["dino"], [f"dinos={moved}"])


def test_one_missing_file_of_two_is_enough(tmp_path: Path) -> None:
    two = Backend(
        name="two", title="Two", files=(*SMALL.files, File(key="x", names=("x.pth",), size=1, licence="MIT", hint="?")),
        load=load_small, cost=lambda _: 0.0,
    )  # fmt: skip
    (tmp_path / "dino_vitbase16_pretrain.pth").touch()
    assert assemble([two], Shelf(folder=tmp_path), CPU).missing["two"].startswith("Two: x.pth is neither in")


def test_what_kept_an_instrument_from_looking_and_what_metadata_say_reach_the_table(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"a": intact}, frames=6)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    lines[0]["metadata"] = {"vbench": {"auxiliary_info": {"appearance_style": {"appearance_style": "pixel art"}}}}
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    names = ["frame_difference", "appearance_style", "flow_strength"]
    for wanted in (names[:1], names):  # the notes of a second look join those of the first
        evaluate(manifest, metrics=wanted, equipment=equipment(), progress=False, baselines=False)
    videos = json.loads((tmp_path / "results.json").read_text())["videos"]
    assert all(
        video["notes"] == ["no optical flow: frames of 32 x 32; RAFT needs 121 on each side"] for video in videos
    )
    assert videos[0]["scores"]["appearance_style"][0] is not None
    assert videos[1]["scores"]["appearance_style"][0] is None
    assert videos[0]["scores"]["flow_strength"][0] is None
