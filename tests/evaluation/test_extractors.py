"""Extractors by name: those at hand, files of weights, and code of the user's."""

from pathlib import Path

import pytest
import torch

from evaluation.extractors import NAMES, Taking, VideoFeatures, find_extractor
from evaluation.networks.video_features import RandomConvolution, ToyStates

CPU = torch.device("cpu")
OWN = """
import torch

class Mean(torch.nn.Module):
    num_features = 3

    def forward(self, videos):
        return videos.float().mean((1, 3, 4))

def make():
    return Mean()

def nothing():
    return 5
"""


@pytest.fixture
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_features.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "kind"), [("random", RandomConvolution), ("toy", ToyStates)])
def test_those_without_weights_say_that_they_are_not_fvd(name: str, kind: type) -> None:
    found, fingerprint = find_extractor(name, None, Taking(), CPU)
    assert isinstance(found, kind)
    assert isinstance(found, VideoFeatures)
    assert "not FVD" in fingerprint


@pytest.mark.usefixtures("_own")
def test_code_of_the_users() -> None:
    found, fingerprint = find_extractor("own_features:make", None, Taking(), CPU)
    assert found(torch.full((2, 4, 3, 8, 8), 7, dtype=torch.uint8)).tolist() == [[7.0] * 3] * 2
    assert fingerprint.startswith("own_features:make sha256:")


@pytest.mark.usefixtures("_own")
@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("fvd", None, "extractor is 'fvd'; allowed: random, toy, i3d, videomae, package.module:function"),
        ("i3d", None, "extractor i3d with weights None; it takes a TorchScript file of I3D"),
        ("videomae", None, "it takes a folder of VideoMAE"),
        ("random", "x.pt", "extractor random with weights x.pt; it takes no weights"),
        ("i3d", "x.pt", "extractor i3d: x.pt does not exist"),
        ("own_features:nothing", None, "own_features:nothing makes 5; allowed: a torch module with num_features"),
        ("own_features:absent", None, "own_features has no function or class 'absent'"),
        ("no_such_module:make", None, "extractor no_such_module:make: the module 'no_such_module' cannot be imported"),
    ],
)
def test_what_is_refused(name: str, weights: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_extractor(name, weights and Path(weights), Taking(), CPU)  # type: ignore[arg-type]


def test_names_that_need_weights_come_last() -> None:
    assert NAMES == ("random", "toy", "i3d", "videomae")


def test_spans_of_frames() -> None:
    assert (Taking().span, Taking(16, 2).span, Taking(1, 9).span) == (16, 31, 1)
    with pytest.raises(ValueError, match="stride is 0; it must be at least 1"):
        Taking(16, 0)
