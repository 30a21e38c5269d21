"""Whether Tag2Text's captions of frames have the words of a scene (scene). Network: `evaluation.networks.tag2text`.

The tags, in the network's order, are read from the user's copy of VBench; the vocabulary is that of bert-base-uncased.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.networks.frames import middle_frames
from evaluation.networks.tag2text import Tag2Text, captions, load_tag2text
from evaluation.networks.tag2text_words import Words, read_words
from evaluation.signals import Asked, Chosen, Extractor, Watcher

SCENE: Final = "scene"
"""Key of the words for a video's scene in its metadata, or in VBench's auxiliary information in them."""

FRAMES: Final = 16
"""Of a part, that are looked at."""

GFLOP: Final = 542.7
"""Of a frame: seen, its tags, and a caption of the most words."""


def watch(asked: Asked, *, network: Tag2Text, words: Words) -> Mapping[str, Watcher]:
    """Of the middle frames of every part, whether their captions have the words of the scene."""
    scenes = [scene_of(known) for known in asked.known()]
    found = partial(hits, scenes=scenes, network=network, words=words)
    return {"scene_hits": Chosen(found, asked.windows, partial(middle_frames, count=FRAMES))}


def hits(
    chosen: UInt8[Tensor, "clip frame 3 height width"], *, scenes: Sequence[str], network: Tag2Text, words: Words
) -> Float[Tensor, "clip frame"]:
    """1 where the caption has all words, 0 elsewhere, of frames that are chosen already; NaN without a scene."""
    rows = torch.full(chosen.shape[:2], torch.nan)
    for row, frames, scene in zip(rows, chosen, scenes, strict=True):
        if scene:
            row.copy_(torch.tensor([float(says(caption, scene)) for caption in captions(network, words, frames)]))
    return rows


def says(caption: str, scene: str) -> bool:
    """Whether all words of the scene are somewhere in the caption, be it in the middle of longer ones, as for VBench.

    >>> says("the skyscrapers of a city", "sky city"), says("a city", "city park")
    (True, False)
    """
    return all(word in caption for word in scene.split())


def scene_of(details: Mapping[str, Any]) -> str:
    """The words for the scene a video should have; empty where none are known.

    >>> scene_of({"vbench": {"auxiliary_info": {"scene": {"scene": {"scene": "alley"}}}}})
    'alley'
    """
    noted = details.get("vbench", {}).get("auxiliary_info", {})
    found = details.get(SCENE) or noted.get(SCENE) or ""
    while isinstance(found, Mapping):
        found = found.get(SCENE, "")
    return str(found)


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    words, network = read_words(paths[1], paths[2]), load_tag2text(paths[0])
    require_words(words, network)
    return partial(watch, network=network.to(device), words=words)


def require_words(words: Words, network: Tag2Text) -> None:
    """Raise ValueError unless the network has as many tags and words as the lists, and its two marks."""
    counts = {
        "tags": (len(words.tags), network.label_embed.num_embeddings),
        "words": (len(words.vocabulary), network.text_decoder.bert.embeddings.word_embeddings.num_embeddings - 2),
    }
    for what, (found, wanted) in counts.items():
        if found != wanted:
            raise ValueError(f"tag2text: the list of {what} has {found}; allowed: {wanted}")


def _cost(_: Footage) -> float:
    """The whole and its first clip."""
    return 2 * FRAMES * GFLOP


BACKENDS: Final = (
    Backend(
        name="tag2text",
        title="Tag2Text Swin-B",
        libraries=("timm", "tokenizers"),
        files=(
            File(
                key="tag2text",
                names=("tag2text_swin_14m.pth",),
                size=4_480_000_000,
                licence="Apache-2.0",
                hint="https://huggingface.co/spaces/xinyu1205/recognize-anything",
                url="https://huggingface.co/spaces/xinyu1205/recognize-anything/resolve/main/tag2text_swin_14m.pth",
                cached=("caption_model/tag2text_swin_14m.pth",),
            ),
            File(
                key="tags",
                names=("tag_class.py",),
                size=40_000,
                licence="Apache-2.0",
                hint="vbench/third_party/tag2Text/tag_class.py of VBench (pip download vbench --no-deps)",
            ),
            File(
                key="vocabulary",
                names=("vocab.txt", "bert-base-uncased-vocab.txt"),
                size=232_000,
                licence="Apache-2.0",
                hint="https://huggingface.co/google-bert/bert-base-uncased",
                repo="google-bert/bert-base-uncased",
                repo_file="vocab.txt",
            ),
        ),
        load=_load,
        cost=_cost,
    ),
)
