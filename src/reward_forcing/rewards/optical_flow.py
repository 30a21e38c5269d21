"""How far the picture moves: optical flow between neighbouring frames (RAFT, Teed & Deng 2020, in torchvision)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reward_forcing.codecs.files import read_tensors, require_fit
from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.rewards.decoding import decoded
from reward_forcing.rewards.residence import residence
from reward_forcing.shapes import Latents, Rewards, Video

STEP: Final = 8
"""RAFT takes sides that are multiples of this many pixels,"""

LEAST: Final = 128
"""and at least this long."""


class OpticalFlow:
    """Mean displacement between neighbouring frames as a share of the picture's diagonal, over `scale`, at most 1.

    The measure does not depend on the resolution, but on the frame rate. Flicker and moving noise count as motion.

    Args:
        codec: decodes the samples; None: another decodes (a weighted sum).
        model: of torchvision.
        weights: file of its state dict (raft_large_C_T_SKHT_V2-ff5fadd5.pth, ...); None: random ones, for tests.
        pairs: neighbouring frames compared, spread over the video.
        batch: pairs compared together.
        side: pixels of the shorter side that RAFT sees.
        updates: refinements of the flow; torchvision's own number is 12.
        scale: the share of the diagonal that earns the full reward of 1. At 480 x 832, 0.01 are 9.6 pixels a frame.
        offload: whether RAFT waits on the CPU between uses.

    Raises:
        ValueError: a number is out of range, or the file does not hold weights of the model.
    """

    def __init__(
        self,
        codec: LatentCodec | None,
        *,
        model: Literal["raft_large", "raft_small"],
        weights: str | None,
        pairs: int = 16,
        batch: int = 8,
        side: int = 256,
        updates: int = 12,
        scale: float = 0.01,
        offload: bool = False,
    ) -> None:
        for name, value, least in (
            ("pairs", pairs, 1),
            ("batch", batch, 1),
            ("side", side, LEAST),
            ("updates", updates, 1),
        ):
            if value < least:
                raise ValueError(f"rewards.optical_flow: {name} is {value}; it must be at least {least}")
        if scale <= 0:
            raise ValueError(f"rewards.optical_flow: scale is {scale}; it must be positive")
        self.codec, self.pairs, self.batch, self.side, self.updates = codec, pairs, batch, side, updates
        self.scale, self.offload, self.device = scale, offload, torch.device("cpu")
        self.raft = load_raft(model, weights)
        self.label = model if weights else f"{model} (random)"

    def to(self, device: torch.device | str, /) -> "OpticalFlow":
        """Itself, with its codec moved; RAFT follows when it is used."""
        self.device, self.codec = torch.device(device), self.codec and self.codec.to(device)
        return self

    @torch.no_grad()
    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """Rewards in [0, 1].

        Raises:
            ValueError: not one prompt a sample, no codec, or a single frame.
        """
        return self.judge(decoded(self.codec, clean, prompts, place="rewards.optical_flow"), prompts)

    @torch.no_grad()
    def judge(self, video: Video, prompts: Sequence[str]) -> Rewards:  # noqa: ARG002
        """Rewards in [0, 1] of videos in [-1, 1]; the prompts do not matter. Raises ValueError for single frames."""
        from reward_forcing.videos import spread

        if video.shape[1] < 2:
            raise ValueError("rewards.optical_flow: the video has 1 frame; motion needs at least 2")
        firsts = spread(video.shape[1] - 1, self.pairs)
        before, after = (video[:, [first + later for first in firsts]].flatten(0, 1) for later in (0, 1))
        with residence(self.raft, self.device, offload=self.offload) as raft:
            groups = zip(before.split(self.batch), after.split(self.batch), strict=True)
            moved: Tensor = torch.cat(
                [self._moved(raft, first.to(self.device), then.to(self.device)) for first, then in groups]
            )
        share: Tensor = moved.unflatten(0, (len(video), len(firsts))).mean(1)
        return (share / self.scale).clamp(max=1).to(video.device)

    def _moved(
        self, raft: nn.Module, before: Float[Tensor, "pair 3 height width"], after: Float[Tensor, "pair 3 height width"]
    ) -> Float[Tensor, " pair"]:
        size = raft_size(before.shape[-2], before.shape[-1], self.side)
        seen = [
            interpolate(frames.float().clamp(-1, 1), size, mode="bilinear", antialias=True)
            for frames in (before, after)
        ]
        flow: Any = raft(*seen, num_flow_updates=self.updates)[-1]
        return displacement(flow, before.shape[-2], before.shape[-1])


def displacement(flow: Float[Tensor, "pair 2 rows columns"], height: int, width: int) -> Float[Tensor, " pair"]:
    """Mean length of a flow (x, y) in pixels of its own grid, as a share of the diagonal of the height x width picture.

    >>> displacement(torch.tensor([3.0, 4.0])[None, :, None, None].expand(1, 2, 30, 40), 60, 80)
    tensor([0.1000])
    """
    grid = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]])[:, None, None]
    diagonal: float = (height**2 + width**2) ** 0.5
    lengths: Tensor = (flow * grid).norm(dim=1)
    return lengths.mean((1, 2)) / diagonal


def raft_size(height: int, width: int, side: int) -> tuple[int, int]:
    """The size RAFT sees: the aspect kept as well as multiples of 8 allow, the shorter side `side`.

    >>> raft_size(480, 832, 256)
    (256, 440)
    """
    factor = side / min(height, width)
    rows, columns = (max(LEAST, STEP * round(length * factor / STEP)) for length in (height, width))
    return rows, columns


def load_raft(model: str, weights: str | None) -> nn.Module:
    """A frozen RAFT; random weights are the same every time. Raises ValueError when the file is not its state dict."""
    from torchvision.models import optical_flow

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        raft: nn.Module = getattr(optical_flow, model)(weights=None, progress=False)
    if weights is not None:
        if not Path(weights).is_file():
            raise ValueError(
                f"rewards.optical_flow: weights is {weights!r}, and there is no such file; give torchvision's state "
                f"dict of {model}, or null for random weights"
            )
        tensors = read_tensors(Path(weights), "rewards.optical_flow")
        require_fit(raft.state_dict(), tensors, f"rewards.optical_flow: {weights}", model)
        raft.load_state_dict(tensors)
    return raft.eval().requires_grad_(requires_grad=False)
