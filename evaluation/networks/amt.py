"""AMT-S: the frame between two others, by all-pairs multi-field transforms (Li et al., CVPR 2023, arXiv 2304.09790).

Reads `amt-s.pth` (3.0 M parameters). VBench's motion smoothness compares every other frame with what AMT-S puts in its
place.

Written afresh from the paper, from the names and shapes in the checkpoint, and from what goes in and out of the layers
of the original when it runs. The authors' code and weights are under CC BY-NC 4.0: none of their code is here, and
whether the weights may be used is between their licence and the user.

Agreement with VBench 0.1.5's copy of AMT-S on equal random weights (26 Nov 2026, torch 2.15, CPU; three scales, two
times, batches of two): within 2e-13 in fp64 at time 0.5, within 3e-5 in fp32 (8e-5 where weights are so wild that most
pixels saturate). Padding is identical; of finished levels at most one in a thousand differs, by one of 255.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import pad

from evaluation.networks.amt_layers import Decoder, FeatureEncoder, Pyramid, UpdateBlock, conv_prelu
from evaluation.networks.files import load_network
from evaluation.networks.flow import Correlation, correlated, look_up, pixel_grid, resized, warped

MULTIPLE: Final = 16
"""Frames are padded to multiples of it at scale 1."""

TOLERANCE: Final = 1e-6
"""Of scales."""

REDUCTION: Final = 8
"""Pixels of a frame for one place of the finest correlations, along each side."""


def load_amt(path: str | Path, **sizes: Any) -> "Amt":
    """The network in `amt-s.pth`.

    Args:
        path: of the file.
        sizes: of Amt, where they are not the public ones.

    Raises:
        ValueError: there is no such file, or it holds something else (it has the first name or shape that differs).
    """
    return load_network(lambda: Amt(**sizes), path, "amt", inside=("state_dict",))


@torch.no_grad()
def interpolated(
    network: "Amt", frames: UInt8[Tensor, "frame 3 height width"], *, scale: float = 1.0, batch: int = 1
) -> UInt8[Tensor, "between 3 height width"]:
    """What lies midway between each frame and the next, as VBench has it computed.

    Args:
        network: on any device; frames follow in batches, the results stay there.
        frames: RGB; n of them give n - 1.
        scale: of the frames in which motion is looked for, 16 / n for a whole n. VBench's depends on the GPU's memory;
            it is 1 for 480 x 832.
        batch: pairs seen together.

    Raises:
        ValueError: the scale is not allowed, or a side of the frames is too short for the coarsest correlations.
    """
    device, (height, width) = next(network.parameters()).device, frames.shape[-2:]
    left, right, top, bottom = edges = padding(height, width, _multiple(scale))
    if scale * min(top + height + bottom, left + width + right) < network.shortest:
        raise ValueError(
            f"amt: frames are {height} x {width} at scale {scale}; both sides must be at least {network.shortest}"
        )
    made = [torch.empty(0, *frames.shape[1:], dtype=torch.uint8, device=device)]
    for pair in zip(frames[:-1].split(batch), frames[1:].split(batch), strict=True):
        first, second = (pad(part.to(device).float() / 255, edges, mode="replicate") for part in pair)
        between = network(first, second, scale=scale)[..., top : top + height, left : left + width]
        made.append((between * 255).to(torch.uint8))
    return torch.cat(made)


def _multiple(scale: float) -> int:
    """What the sides of frames must be multiples of. Raises ValueError unless the scale is one over it."""
    multiple = max(MULTIPLE, round(MULTIPLE / scale)) if scale > 0 else MULTIPLE
    if abs(MULTIPLE / multiple - scale) > TOLERANCE:
        raise ValueError(f"amt: scale is {scale}; it must be {MULTIPLE} / n for a whole n of at least {MULTIPLE}")
    return multiple


def padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Columns left and right, rows above and below, that make both sides multiples; the odd one comes last.

    >>> padding(480, 833, 16)
    (7, 8, 0, 0)
    """
    across, down = -width % multiple, -height % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2


class Amt(nn.Module):
    """Interpolates: coarse flows, corrected by correlations at three sizes, then several fields that are blended.

    Args:
        context: channels of the four levels of the context pyramid, the finest first.
        stem: channels of the feature encoder's three stages, multiples of 4.
        features: channels that are correlated.
        radius: of the window that is looked up.
        levels: of the correlation pyramid.
        fields: flows of every pixel that are blended in the end.
        side: channels that a decoder refines on their own.
        seen: channels of an update's view of correlations.
        moved: channels of its view of flows.
        joined: channels of both together.
        hidden: channels of its hidden layers.
    """

    def __init__(
        self,
        *,
        context: Sequence[int] = (20, 32, 44, 56),
        stem: Sequence[int] = (32, 64, 96),
        features: int = 84,
        radius: int = 3,
        levels: int = 4,
        fields: int = 3,
        side: int = 20,
        seen: int = 64,
        moved: int = 20,
        joined: int = 68,
        hidden: int = 76,
    ) -> None:
        super().__init__()
        self.radius, self.levels, self.fields = radius, levels, fields
        self.shortest = REDUCTION * 2**levels
        one, two, three, four = context
        self.feat_encoder, self.encoder = FeatureEncoder(stem, features), Pyramid(context)
        self.decoder4 = Decoder(2 * four + 1, 2 * four, 4 + three, side)
        self.decoder3 = Decoder(3 * three + 4, 3 * three, 4 + two, side)
        self.decoder2 = Decoder(3 * two + 4, 3 * two, 4 + one, side)
        self.decoder1 = Decoder(3 * one + 4, 3 * one, 8 * fields, side)
        views = 2 * levels * (2 * radius + 1) ** 2
        widths = {"views": views, "seen": seen, "moved": moved, "joined": joined, "hidden": hidden}
        self.update4 = UpdateBlock(three, reduction=1, **widths)
        self.update3 = UpdateBlock(two, reduction=2, **widths)
        self.update2 = UpdateBlock(one, reduction=4, **widths)
        self.comb_block = nn.Sequential(*conv_prelu(3 * fields, 6 * fields), nn.Conv2d(6 * fields, 3, 3, padding=1))

    def forward(
        self,
        first: Float[Tensor, "pair 3 height width"],
        second: Float[Tensor, "pair 3 height width"],
        *,
        time: float = 0.5,
        scale: float = 1.0,
    ) -> Float[Tensor, "pair 3 height width"]:
        """The frames between, in [0, 1].

        Args:
            first: frames in [0, 1]; rows and columns are multiples of 16 / scale.
            second: those after.
            time: where between them, in (0, 1).
            scale: of the frames in which motion is looked for.
        """
        mean = torch.cat([first, second], -1).mean((1, 2, 3), keepdim=True)
        first, second = first - mean, second - mean
        flows, fields = self.motion(resized(first, scale), resized(second, scale), time)
        return self.blended(first, second, mean, flows, fields, scale=scale)

    def motion(self, first: Tensor, second: Tensor, time: float) -> tuple[Tensor, Tensor]:
        """Flows from between to both frames at half their size, and what the last decoder says at their size."""
        one, other = self.feat_encoder(first, second)
        correlation = correlated(one, other, self.levels)
        context = list(zip(self.encoder(first), self.encoder(second), strict=True))
        before, after = context[3]
        decoded = self.decoder4(torch.cat([before, after, torch.full_like(before[:, :1], time)], 1))
        flows, feature = decoded[:, :4], decoded[:, 4:]
        stages = ((self.update4, self.decoder3, 2), (self.update3, self.decoder2, 1), (self.update2, self.decoder1, 0))
        for update, decoder, level in stages:
            flows, feature = self.corrected(update, flows, feature, correlation, time)
            before, after = context[level]
            moved = warped(before, flows[:, :2]), warped(after, flows[:, 2:])
            decoded = decoder(torch.cat([feature, *moved, flows], 1))
            if level:
                flows, feature = 2 * resized(flows, 2) + decoded[:, :4], decoded[:, 4:]
        return flows, decoded

    def corrected(
        self, update: UpdateBlock, flows: Tensor, feature: Tensor, correlation: Correlation, time: float
    ) -> tuple[Tensor, Tensor]:
        """Flows and feature after what the correlations around the flows' ends say.

        The published weights were trained with the flow to the second frame over `time`, the other over its rest.
        """
        coarse = resized(flows, 1 / update.reduction) / update.reduction
        start = pixel_grid(coarse)
        forth = look_up(correlation.forth, start + coarse[:, 2:] / time, self.radius)
        back = look_up(correlation.back, start + coarse[:, :2] / (1 - time), self.radius)
        more_feature, more_flows = update(feature, coarse, torch.cat([forth, back], 1))
        return flows + more_flows, feature + more_feature

    def blended(
        self, first: Tensor, second: Tensor, mean: Tensor, flows: Tensor, fields: Tensor, *, scale: float
    ) -> Tensor:
        """The mean of what all fields fetch from both frames, and a last correction."""
        count = self.fields
        to_first, to_second, share, rest = fields.split([2 * count, 2 * count, count, 3 * count], 1)
        base = (2 * resized(flows, 2)).unflatten(1, (2, 2))
        fetched = [
            self.fetched(frame, base[:, side].repeat(1, count, 1, 1) + part, scale)
            for side, (frame, part) in enumerate(((first, to_first), (second, to_second)))
        ]
        share, rest = (resized(part, 1 / scale).unflatten(1, (count, -1)) for part in (share.sigmoid(), rest))
        made = share * fetched[0] + (1 - share) * fetched[1] + mean[:, None] + rest
        whole: Tensor = made.mean(1) + self.comb_block(made.flatten(1, 2))
        return whole.clamp(0, 1)

    def fetched(self, frames: Tensor, flows: Tensor, scale: float) -> Tensor:
        """What each field [pair field 3 height width] fetches; its flows are of scaled frames."""
        moves = resized(flows, 1 / scale).unflatten(1, (self.fields, 2)).flatten(0, 1) / scale
        moved: Tensor = warped(frames.repeat_interleave(self.fields, 0), moves).unflatten(0, (-1, self.fields))
        return moved
