"""Tag2Text: a caption of a picture, by way of tags that it may have (Huang et al., ICLR 2024).

Reads `tag2text_swin_14m.pth` of recognize-anything. A Swin-B sees the picture, a short decoder tells which of 3429 tags
it has, a text of these tags looks at the picture, and a decoder writes the caption from that. VBench's scene asks
whether the caption has the words of the scene.

The Swin is timm's. Weights that the tagging head and the first layers of the tags' text share are taken from the
head, as the reference's loading does; what else the file holds is left alone.

Agreement with VBench 0.1.5's model under transformers 4.33.2 on equal random weights (26 Nov 2026, torch 2.15, fp32,
CPU; public sizes on four noisy pictures and a smaller one on seven): what is seen is bit-identical, logits of tags
differ by up to 2e-6 at values of up to 3.5, captions of single pictures are equal (of several, see
`evaluation.metrics.scene`), and so are 800 texts of the beam search alone, on random numbers. Words were cut by a
made-up vocabulary. VBench squeezes frames to squares while it decodes them, here it is done afterwards: on a soft
random video their luma differs by 0.5 levels of 255, colours by 5 where they change fast.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evaluation.networks.beams import Rules, searched
from evaluation.networks.bert import Bert, Layers, OneByOne, Writer
from evaluation.networks.files import load_network
from evaluation.networks.frames import IMAGENET, normalised
from evaluation.networks.tag2text_words import Words

LEAST: Final = 0.7
"""Probability from which on a picture has a tag."""

NEVER_TAGS: Final = (127, 3265, 3338, 3351, 3355, 3359)
"""Tags that the reference leaves out."""

TOGETHER: Final = 4
"""Pictures that are seen at once: 3429 tags of each take memory."""


def load_tag2text(path: str | Path, **sizes: Any) -> "Tag2Text":
    """The network in `tag2text_swin_14m.pth`.

    Args:
        path: of the file.
        sizes: of Tag2Text, where they are not the public ones.

    Raises:
        ValueError: there is no such file, or it lacks a part of the network (it has the first name or shape).
    """
    return load_network(lambda: Tag2Text(**sizes), path, "tag2text", inside=("model",), adapt=adapted)


def adapted(network: "Tag2Text", held: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the public file under the names of the network, without those that it has no use for.

    Stages of the public Swin end with a reduction, with which timm's begin.
    """
    wanted = network.state_dict()
    sources = {name: _source(name, wanted) for name in wanted}
    return {name: held[source] for name, source in sources.items() if source in held}


def _source(name: str, wanted: Mapping[str, Tensor]) -> str:
    shared = name.replace("tag_encoder", "vision_multi")
    if shared != name and shared in wanted:
        return shared
    before, found, after = name.partition(".downsample.")
    stem, _, number = before.rpartition(".")
    return f"{stem}.{int(number) - 1}{found}{after}" if found else name


@torch.no_grad()
def captions(network: "Tag2Text", words: Words, frames: UInt8[Tensor, "frame 3 height width"]) -> list[str]:
    """What each picture shows, in words."""
    pieces = squeezed(frames.to(network.fc.W.device), network.side).split(TOGETHER)
    return [caption for pixels in pieces for caption in _captions(network, words, pixels)]


def _captions(network: "Tag2Text", words: Words, pixels: Float[Tensor, "frame 3 side side"]) -> list[str]:
    seen = network.look(pixels)
    tags = [words.tag_words(row.nonzero()[:, 0].tolist()) for row in chosen_tags(network.tags(seen))]
    numbers = torch.tensor(tags, device=pixels.device)
    told = network.tell(numbers, numbers != words.padding, seen)
    found = searched(words.start, len(pixels), Rules(words.end), partial(_next_words, network, told))
    return [words.caption(text) for text in found]


def _next_words(
    network: "Tag2Text",
    told: Float[Tensor, "frame word dim"],
    texts: Int[Tensor, "picture beam word"],
    pictures: Sequence[int],
) -> Float[Tensor, "picture beam vocabulary"]:
    beams = texts.shape[1]
    seen = told[list(pictures)].repeat_interleave(beams, 0)
    logits: Tensor = network.text_decoder(texts.flatten(0, 1).to(told.device), seen)
    by_picture: Tensor = logits.unflatten(0, (-1, beams))
    return by_picture


def squeezed(frames: UInt8[Tensor, "frame 3 height width"], side: int) -> Float[Tensor, "frame 3 {side} {side}"]:
    """Whole frames as squares, whatever their shape was (bilinear, antialiased, rounded to levels), normalised."""
    resized = interpolate(frames.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)
    return normalised(resized.clamp(0, 255).round().to(torch.uint8), IMAGENET)


def chosen_tags(logits: Float[Tensor, "frame tag"]) -> Bool[Tensor, "frame tag"]:
    """Which tags pictures have."""
    chosen = logits.float().sigmoid() > LEAST
    never = [tag for tag in NEVER_TAGS if tag < chosen.shape[1]]
    return chosen.index_fill(1, torch.tensor(never, dtype=torch.long, device=chosen.device), value=False)


class Tag2Text(nn.Module):
    """Tags and captions of pictures.

    Args:
        side: rows and columns of a picture.
        stem: channels of the Swin's first stage, doubled with every further one.
        depths: layers of its stages.
        swin_heads: of its attention.
        window: rows and columns of its windows.
        dim: channels of the texts.
        layers: of each text.
        heads: of its attention.
        words: vocabulary, the marks of this network among it.
        tags: that a picture may have.
        tag_layers: of the tagging head.
        tag_heads: of its attention.
    """

    def __init__(
        self,
        *,
        side: int = 384,
        stem: int = 128,
        depths: Sequence[int] = (2, 2, 18, 2),
        swin_heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 12,
        dim: int = 768,
        layers: int = 12,
        heads: int = 12,
        words: int = 30524,
        tags: int = 3429,
        tag_layers: int = 2,
        tag_heads: int = 4,
    ) -> None:
        super().__init__()
        from timm.models.swin_transformer import SwinTransformer

        self.side = side
        with torch.device("cpu"):  # it has tables of which a file knows nothing
            self.visual_encoder = SwinTransformer(
                img_size=side, num_classes=0, global_pool="", embed_dim=stem, depths=tuple(depths),
                num_heads=tuple(swin_heads), window_size=window,
            )  # fmt: skip
        seen = stem * 2 ** (len(depths) - 1)
        self.text_decoder = Writer(words, layers, dim, heads)
        self.tag_encoder = Bert(words, layers, dim, heads, seen)
        self.vision_multi = nn.ModuleDict({"encoder": Layers(tag_layers, dim, tag_heads, seen, alone=True)})
        self.label_embed = nn.Embedding(tags, dim)
        self.fc = OneByOne(tags, dim)

    def look(self, pixels: Float[Tensor, "frame 3 side side"]) -> Float[Tensor, "frame place seen"]:
        """What is seen: the mean of all places, and these."""
        places: Tensor = self.visual_encoder.forward_features(pixels).flatten(1, 2)
        return torch.cat([places.mean(1, keepdim=True), places], 1)

    def tags(self, seen: Float[Tensor, "frame place seen"]) -> Float[Tensor, "frame tag"]:
        """Logits of all tags."""
        asked = self.label_embed.weight.expand(len(seen), -1, -1)
        logits: Tensor = self.fc(self.vision_multi["encoder"](asked, seen))
        return logits

    def tell(
        self,
        words: Int[Tensor, "frame word"],
        there: Bool[Tensor, "frame word"],
        seen: Float[Tensor, "frame place seen"],
    ) -> Float[Tensor, "frame word dim"]:
        """The text of the tags, having looked at the picture; `there`: which are words."""
        told: Tensor = self.tag_encoder(words, seen, there=there)
        return told
