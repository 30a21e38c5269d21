"""All instruments with small networks of the real classes, filled at random."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evaluation.backends import aesthetic, amt, clip, dino, musiq, raft, tag2text, umt, viclip
from evaluation.instruments import BUILT_IN, Equipment
from evaluation.networks.amt import Amt
from evaluation.networks.dino import Dino
from evaluation.networks.musiq import Musiq
from evaluation.networks.tag2text import Tag2Text
from evaluation.networks.tag2text_words import MARKS, Words
from evaluation.networks.umt import Umt
from evaluation.networks.viclip import ViClip
from evaluation.signals import Asked, Batch, Extractor, Signal, Watcher
from reward_forcing.rewards.clip_score import load_clip
from tests.evaluation.networks.filling import filled

DINO: dict[str, Any] = {"patch": 8, "grid": 3, "dim": 16, "layers": 2, "heads": 2}
MUSIQ: dict[str, Any] = {
    "patch": 8, "channels": 32, "dim": 12, "mlp_dim": 16, "heads": 2, "layers": 2, "grid": 4, "longer_sides": (24, 40)
}  # fmt: skip
VICLIP: dict[str, Any] = {
    "side": 28, "video_dim": 32, "video_layers": 1, "video_heads": 2, "text_dim": 16, "text_layers": 1,
    "text_heads": 2, "embedding": 24,
}  # fmt: skip
UMT: dict[str, Any] = {"side": 32, "frames": 4, "dim": 16, "layers": 1, "heads": 2, "actions": 3}
AMT: dict[str, Any] = {
    "context": (4, 5, 6, 7), "stem": (8, 8, 8), "features": 6, "radius": 1, "levels": 2, "side": 2, "seen": 5,
    "moved": 3, "joined": 6, "hidden": 7,
}  # fmt: skip
CLIP: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    "quick_gelu": True,
}
TAG2TEXT: dict[str, Any] = {
    "side": 32, "stem": 8, "depths": (2, 2), "swin_heads": (1, 2), "window": 4, "dim": 12, "layers": 2, "heads": 3,
    "words": 21, "tags": 4, "tag_layers": 1, "tag_heads": 2,
}  # fmt: skip
VOCABULARY = (*MARKS, "a", "picture", "of", "|", "red", "boat", "city", "park", "##s", "tree", ".", "'", "s", "in")
ACTIONS = ("riding a bike", "yoga", "dining")


def clip_config(folder: Path) -> str:
    """A file that open_clip knows the small CLIP by."""
    path = folder / "small-clip.json"
    path.write_text(json.dumps(CLIP))
    return str(path)


@cache
def small_clip() -> clip.Clip:
    with tempfile.TemporaryDirectory() as folder:
        network, tokenize = load_clip(clip_config(Path(folder)), None)
    return clip.Clip(network, tokenize)


@cache
def small_words() -> Words:
    from tokenizers import BertWordPieceTokenizer

    reader = BertWordPieceTokenizer({word: number for number, word in enumerate(VOCABULARY)}, lowercase=True)
    return Words(("red boat", "city", "park", "trees"), VOCABULARY, reader)


@cache
def small_tag2text() -> Tag2Text:
    """With captions of several lengths, and tags in some pictures."""
    network = filled(Tag2Text(**TAG2TEXT), std=0.5)
    network.text_decoder.bert.embeddings.position_embeddings.weight.mul_(3)
    network.text_decoder.get_parameter("cls.predictions.decoder.bias")[MARKS.index("[SEP]")] += 3
    return network


@cache
def small_raft() -> nn.Module:
    from reward_forcing.rewards.optical_flow import load_raft

    return load_raft("raft_small", None)


@cache
def extractors() -> Mapping[str, Extractor]:
    """By the names of the real ones."""
    head = filled(nn.Linear(16, 1), std=0.5)
    first, second = filled(Dino(**DINO), std=0.2), filled(Dino(**DINO, second=True), std=0.2)
    return {
        **BUILT_IN,
        "dino": partial(dino.watch_frames, network=first, side=24),
        "dinov2": partial(dino.watch_clips, network=second, wider=28, side=24),
        "clip_tensors": partial(clip.watch_tensors, clip=small_clip()),
        "clip_pictures": partial(clip.watch_pictures, clip=small_clip()),
        "aesthetic": partial(aesthetic.watch, clip=small_clip(), head=head),
        "flow": partial(raft.watch_motion, network=small_raft(), updates=1),
        "stillness": partial(raft.watch_stillness, network=small_raft(), updates=1),
        "musiq": partial(musiq.watch, network=filled(Musiq(**MUSIQ), std=0.2)),
        "viclip": partial(viclip.watch, network=filled(ViClip(**VICLIP), std=0.3)),
        "tag2text": partial(tag2text.watch, network=small_tag2text(), words=small_words()),
        "umt": partial(umt.watch, network=filled(Umt(**UMT), std=0.5), actions=ACTIONS),
        "amt": partial(amt.watch, network=filled(Amt(**AMT), std=0.06)),
    }


def equipment() -> Equipment:
    return Equipment(extractors(), {}, {"dino": "random"})


def shown(watcher: Watcher, frames: Batch, size: int = 16) -> Signal:
    """What a watcher has seen when all frames have passed by."""
    for piece in frames.split(size, 1):
        watcher.see(piece)
    return watcher.signal()


def watched(name: str, frames: Batch, asked: Asked, size: int = 16) -> dict[str, Signal]:
    """All signals of an instrument."""
    watchers = extractors()[name](asked)
    return {signal: shown(watcher, frames, size) for signal, watcher in watchers.items()}


@dataclass
class Counting:
    """An instrument that counts what passes by."""

    extractor: Extractor
    videos: int = 0
    seen: list[int] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Mapping[str, Watcher]:
        self.videos += 1
        return {name: _Counted(watcher, self.seen) for name, watcher in self.extractor(asked).items()}


@dataclass
class _Counted:
    watcher: Watcher
    seen: list[int]

    def see(self, frames: Batch) -> None:
        self.seen.append(frames.shape[1])
        self.watcher.see(frames)

    def signal(self) -> Signal:
        return self.watcher.signal()


def smooth(frames: int, height: int, width: int, *, clips: int = 1, seed: int = 0) -> Tensor:
    """A soft pattern that slides by a pixel or two a frame."""
    drawn = torch.rand(clips, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    size = (height + frames, width + 2 * frames)
    wide = torch.nn.functional.interpolate(drawn, size, mode="bicubic").clamp(0, 1)
    views = [wide[..., i : i + height, 2 * i : 2 * i + width] for i in range(frames)]
    return (torch.stack(views, 1) * 255).round().to(torch.uint8)
