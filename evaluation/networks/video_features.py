"""One row of features a video, for distances between sets of videos. Each can be given to torchmetrics as it is.

`RandomConvolution` and `ToyStates` need no weights; neither is FVD. I3D (as TorchScript) and VideoMAE are read from
files that the user names.
"""

import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import conv3d, interpolate, relu

from evaluation.functional.toy_truth import states
from evaluation.networks.frames import IMAGENET, normalised
from evaluation.provenance import digest
from reward_forcing import seeding
from reward_forcing.codecs.files import first_line, read_tensors
from reward_forcing.toy.tracker import track
from reward_forcing.toy.world import SIZE
from reward_forcing.videos import to_float

SIDE: Final = 224
"""Rows and columns that I3D sees."""
SMALL: Final = 64
"""Rows and columns that the random convolution sees."""
WIDTHS: Final = (3, 32, 64)
PAN_UNKNOWN: Final = "red circle any pan-any"
"""A caption for tracking videos whose own is not known."""


class RandomConvolution(nn.Module):
    """Two random 3-D convolutions, rectified; mean and deviation of every channel. Fixed by a seed; not FVD.

    It sees colour, texture and change between frames, no meaning. Frames are squeezed to 64 x 64.
    """

    num_features = 2 * WIDTHS[-1]

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.fingerprint = f"random 3-D convolution, seed {seed} (not FVD)"
        for layer, (before, after) in enumerate(pairwise(WIDTHS)):
            drawn = torch.randn(after, before, 3, 5, 5, generator=seeding.generator("video features", seed, layer))
            self.register_buffer(f"filters{layer}", drawn / drawn[0].numel() ** 0.5, persistent=False)

    def forward(self, videos: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip feature"]:
        """Features of videos of any size and length."""
        seen = _squeezed(to_float(videos), SMALL).movedim(2, 1)
        for layer in range(len(WIDTHS) - 1):
            filters: Tensor = getattr(self, f"filters{layer}")
            seen = relu(conv3d(seen, filters, stride=(1, 2, 2), padding=(1, 2, 2)))
        channels = seen.flatten(2)
        return torch.cat([channels.mean(2), channels.std(2)], 1)


class ToyStates(nn.Module):
    """Mean and deviation of place and step of the toy world's sprite and of the camera's pan, in pixels; not FVD.

    NaN for videos in which the sprite is never seen twice in a row.
    """

    num_features = 10
    fingerprint = "toy states (not FVD)"

    def forward(self, videos: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip 10"]:
        """Features of videos of the toy world. Raises ValueError for those of other sizes."""
        if videos.shape[-2:] != (SIZE, SIZE):
            raise ValueError(f"extractor toy: videos are {tuple(videos.shape[-2:])}; allowed: {SIZE} x {SIZE}")
        seen = states(track(to_float(videos), [PAN_UNKNOWN] * len(videos), redraw=False))
        mean = seen.nanmean(1, keepdim=True)
        deviation = (seen - mean).square().nanmean(1).sqrt()
        return torch.cat([mean[:, 0], deviation], 1)


class I3D(nn.Module):
    """A TorchScript file of I3D, as StyleGAN-V's port: frames squeezed to 224 x 224, values in [-1, 1].

    TorchScript is code: loading the file and calling it runs what its author wrote. Only name files you trust.

    Args:
        path: of the file.
        frames: of the videos it will see.

    Raises:
        ValueError: the file is no TorchScript, or does not make rows of features of such videos.
    """

    def __init__(self, path: Path, frames: int) -> None:
        super().__init__()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # torch would have us export; the ports are scripts
                self.network: Any = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as error:
            raise ValueError(f"extractor i3d: {path} is no TorchScript file ({first_line(error)})") from error
        self.fingerprint = f"I3D TorchScript sha256:{digest(path)}, {SIDE} x {SIDE}, -1 to 1"
        known = {argument.name for argument in self.network.forward.schema.arguments}
        wishes = {"rescale": False, "resize": False, "return_features": True}
        self.wishes = {name: value for name, value in wishes.items() if name in known}
        self.num_features = self._tried(path, frames)

    @torch.no_grad()
    def _tried(self, path: Path, frames: int) -> int:
        try:
            made = self(torch.zeros(1, frames, 3, SIDE, SIDE, dtype=torch.uint8))
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1]
            raise ValueError(f"extractor i3d: {path} cannot see {frames} frames of {SIDE} x {SIDE} ({said})") from error
        if made.ndim != 2:
            raise ValueError(f"extractor i3d: {path} makes {list(made.shape)} of one video; allowed: [1, features]")
        return int(made.shape[1])

    def forward(self, videos: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip feature"]:
        """Features of videos of any size."""
        made: Tensor = self.network(_squeezed(to_float(videos), SIDE).movedim(2, 1), **self.wishes)
        return made


class VideoMae(nn.Module):
    """VideoMAE's last states, averaged; it sees motion better than I3D (Ge et al. 2024, CD-FVD).

    Args:
        folder: of a VideoMAE model of transformers, with config.json and model.safetensors.

    Raises:
        ValueError: the folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import VideoMAEConfig, VideoMAEModel

        super().__init__()
        weights = folder / "model.safetensors"
        if not weights.is_file() or not (folder / "config.json").is_file():
            raise ValueError(f"extractor videomae: {folder} must hold config.json and model.safetensors of VideoMAE")
        config = VideoMAEConfig.from_pretrained(folder, local_files_only=True)
        self.network: Any = VideoMAEModel(config).eval()
        state = {name.removeprefix("videomae."): value for name, value in read_tensors(weights, "extractor").items()}
        missing = sorted(set(self.network.state_dict()) - set(state))
        if missing:
            raise ValueError(f"extractor videomae: {weights} lacks {missing[0]} and {len(missing) - 1} more")
        self.network.load_state_dict({name: state[name] for name in self.network.state_dict()})
        self.num_features, self.frames, self.side = config.hidden_size, config.num_frames, config.image_size
        self.fingerprint = f"VideoMAE sha256:{digest(weights)}, {self.side} x {self.side}"

    def forward(self, videos: UInt8[Tensor, "clip frame 3 height width"]) -> Float[Tensor, "clip feature"]:
        """Features of videos of any size. Raises ValueError for other numbers of frames than it has learnt from."""
        if videos.shape[1] != self.frames:
            raise ValueError(f"extractor videomae: videos of {videos.shape[1]} frames; allowed: {self.frames}")
        seen = _squeezed(normalised(videos.flatten(0, 1), IMAGENET).unflatten(0, videos.shape[:2]), self.side)
        made: Tensor = self.network(seen).last_hidden_state.mean(1)
        return made


def _squeezed(
    videos: Float[Tensor, "clip frame 3 height width"], side: int
) -> Float[Tensor, "clip frame 3 {side} {side}"]:
    """Videos as squares, whatever their aspect: bilinear, with antialias where they shrink."""
    if videos.shape[-2:] == (side, side):
        return videos
    flat: Tensor = interpolate(videos.flatten(0, 1), (side, side), mode="bilinear", antialias=True)
    squares: Tensor = flat.unflatten(0, videos.shape[:2])
    return squares
