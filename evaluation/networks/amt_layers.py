"""The parts of AMT-S: two encoders, decoders that double the size, and updates of flows by correlations."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu, relu

from evaluation.networks.flow import resized

SLOPE = 0.1


def conv_prelu(inward: int, outward: int, *, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution and a rectifier whose slope below zero is learnt, one a channel."""
    return nn.Sequential(nn.Conv2d(inward, outward, 3, stride=stride, padding=1), nn.PReLU(outward))


class Pyramid(nn.Module):
    """Features of a frame at 1/2, 1/4, 1/8, 1/16 of its size."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for level, (inward, outward) in enumerate(zip((3, *channels), channels, strict=False), 1):
            stage = nn.Sequential(conv_prelu(inward, outward, stride=2), conv_prelu(outward, outward))
            setattr(self, f"pyramid{level}", stage)

    def forward(self, frames: Float[Tensor, "image 3 height width"]) -> list[Tensor]:
        """The features, the finest first."""
        features = [frames]
        for stage in self.children():
            features.append(stage(features[-1]))
        return features[1:]


class FeatureEncoder(nn.Module):
    """Features of a frame that are worth correlating, at 1/8 of its size."""

    def __init__(self, stem: Sequence[int], features: int) -> None:
        super().__init__()
        one, two, three = stem
        self.conv1 = nn.Conv2d(3, one, 7, stride=2, padding=3)
        self.layer1 = nn.Sequential(Bottleneck(one, one, 1), Bottleneck(one, one, 1))
        self.layer2 = nn.Sequential(Bottleneck(one, two, 2), Bottleneck(two, two, 1))
        self.layer3 = nn.Sequential(Bottleneck(two, three, 2), Bottleneck(three, three, 1))
        self.conv2 = nn.Conv2d(three, features, 1)

    def forward(
        self, first: Float[Tensor, "image 3 height width"], second: Float[Tensor, "image 3 height width"]
    ) -> tuple[Tensor, ...]:
        """The features of both."""
        images = relu(instance_norm(self.conv1(torch.cat([first, second]))))
        features: Tensor = self.conv2(self.layer3(self.layer2(self.layer1(images))))
        return features.chunk(2)


class Bottleneck(nn.Module):
    """A residual block with a quarter of the channels inside."""

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        inner = outward // 4
        self.conv1 = nn.Conv2d(inward, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(inner, outward, 1)
        self.downsample = nn.Sequential(nn.Conv2d(inward, outward, 1, stride=stride)) if stride > 1 else None

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        inner = images
        for conv in (self.conv1, self.conv2, self.conv3):
            inner = relu(instance_norm(conv(inner)))
        if self.downsample is not None:
            images = instance_norm(self.downsample(images))
        return relu(images + inner)


class Decoder(nn.Module):
    """Features at twice the size."""

    def __init__(self, inward: int, inner: int, outward: int, side: int) -> None:
        super().__init__()
        enlarge = nn.ConvTranspose2d(inner, outward, 4, stride=2, padding=1)
        self.convblock = nn.Sequential(conv_prelu(inward, inner), SideBlock(inner, side), enlarge)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        features: Tensor = self.convblock(images)
        return features


class SideBlock(nn.Module):
    """A residual block whose last channels are refined once more after each of two layers (IFRNet, 2022)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.split = [channels - side, side]
        self.conv1, self.conv2 = conv_prelu(channels, channels), conv_prelu(side, side)
        self.conv3, self.conv4 = conv_prelu(channels, channels), conv_prelu(side, side)
        self.conv5, self.prelu = nn.Conv2d(channels, channels, 3, padding=1), nn.PReLU(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Features of the images."""
        inner = images
        for whole, part in ((self.conv1, self.conv2), (self.conv3, self.conv4)):
            kept, side = whole(inner).split(self.split, 1)
            inner = torch.cat([kept, part(side)], 1)
        features: Tensor = self.prelu(images + self.conv5(inner))
        return features


class UpdateBlock(nn.Module):
    """What correlations around the ends of flows add to the flows and to the feature they come from."""

    def __init__(
        self, channels: int, *, reduction: int, views: int, seen: int, moved: int, joined: int, hidden: int
    ) -> None:
        super().__init__()
        self.reduction = reduction
        self.convc1 = nn.Conv2d(views, seen, 1)
        self.convf1 = nn.Conv2d(4, 2 * moved, 7, padding=3)
        self.convf2 = nn.Conv2d(2 * moved, moved, 3, padding=1)
        self.conv = nn.Conv2d(seen + moved, joined, 3, padding=1)
        self.gru = two_layers(joined + 4 + channels, hidden, hidden)
        self.feat_head = two_layers(hidden, hidden, channels)
        self.flow_head = two_layers(hidden, hidden, 4)

    def forward(
        self,
        feature: Float[Tensor, "image channel height width"],
        flows: Float[Tensor, "image 4 small_height small_width"],
        views: Float[Tensor, "image view small_height small_width"],
    ) -> tuple[Tensor, Tensor]:
        """What to add to the feature, and to flows of the feature's size."""
        seen = leaky_relu(self.convc1(views), SLOPE)
        moved = leaky_relu(self.convf2(leaky_relu(self.convf1(flows), SLOPE)), SLOPE)
        joined = leaky_relu(self.conv(torch.cat([seen, moved], 1)), SLOPE)
        state = self.gru(torch.cat([joined, flows, resized(feature, 1 / self.reduction)], 1))
        more_flows = self.reduction * resized(self.flow_head(state), self.reduction)
        return resized(self.feat_head(state), self.reduction), more_flows


def two_layers(inward: int, inner: int, outward: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with a rectifier between."""
    return nn.Sequential(
        nn.Conv2d(inward, inner, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Conv2d(inner, outward, 3, padding=1)
    )
