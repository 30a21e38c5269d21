"""What makes features of videos for distances: those at hand, and the user's own."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from evaluation.named import load_named, named_fingerprint

NAMES: Final = ("random", "toy", "i3d", "videomae")
"""Extractors at hand; the last two need weights."""


@runtime_checkable
class VideoFeatures(Protocol):
    """A module that makes one row of features a video; torchmetrics takes it, too."""

    num_features: int

    def __call__(self, videos: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip feature"]:
        """Features, levels 0 to 255 given."""


@dataclass(frozen=True)
class Taking:
    """Which frames of a video are looked at: the first, the `stride`-th after it, ..., `frames` of them."""

    frames: int = 16
    stride: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for numbers below 1."""
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")

    @property
    def span(self) -> int:
        """Frames a video must have."""
        return (self.frames - 1) * self.stride + 1


def find_extractor(spec: str, weights: Path | None, taking: Taking, device: torch.device) -> tuple[nn.Module, str]:
    """An extractor and its fingerprint.

    Args:
        spec: one of NAMES, or `package.module:function`; the function makes a module that is a `VideoFeatures`.
        weights: I3D's TorchScript file, or VideoMAE's folder.
        taking: of what it will see.
        device: where it will be.

    Raises:
        ValueError: there is no such extractor, it needs weights or has no use for them, or they are wrong.
    """
    if spec not in NAMES and ":" not in spec:
        raise ValueError(f"extractor is {spec!r}; allowed: {', '.join(NAMES)}, package.module:function")
    if (weights is None) == (spec in ("i3d", "videomae")):
        needed = {"i3d": "a TorchScript file of I3D", "videomae": "a folder of VideoMAE"}.get(spec, "no weights")
        raise ValueError(f"extractor {spec} with weights {weights}; it takes {needed}")
    made, name = _named(spec) if ":" in spec else _own(spec, weights, taking)
    return made.eval().to(device), name


def _named(spec: str) -> tuple[nn.Module, str]:
    make = load_named(spec, "extractor")
    made = make()
    if isinstance(made, nn.Module) and isinstance(made, VideoFeatures):
        return made, str(getattr(made, "fingerprint", named_fingerprint(spec, make)))
    raise ValueError(f"extractor {spec} makes {made!r:.80}; allowed: a torch module with num_features")


def _own(spec: str, weights: Path | None, taking: Taking) -> tuple[nn.Module, str]:
    from evaluation.networks.video_features import I3D, RandomConvolution, ToyStates, VideoMae

    if weights is not None and not weights.exists():
        raise ValueError(f"extractor {spec}: {weights} does not exist")
    if weights is None:
        made: RandomConvolution | ToyStates | I3D | VideoMae = RandomConvolution() if spec == "random" else ToyStates()
    else:
        made = I3D(weights, taking.frames) if spec == "i3d" else VideoMae(weights)
    return made, made.fingerprint
