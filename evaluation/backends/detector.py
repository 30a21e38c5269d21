"""Objects that a video should show, found by an open-vocabulary detector (OWL-ViT, OWLv2) in 16 frames.

This stands in for the detector of VBench, which needs libraries that cannot be installed beside ours: metrics of it are
called `proxy/...` and enter no total. Colours are those of pixels in the middle of the best box
(`evaluation.functional.colours`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from evaluation.backends.backend import Backend, File, Footage
from evaluation.backends.judge import Noted
from evaluation.backends.language_model import identity
from evaluation.backends.wishes import queries, wishes
from evaluation.functional.colours import NAMES, shares
from evaluation.networks.frames import middle_frames
from evaluation.signals import Asked, Chosen, Extractor, Known, Watcher
from reward_forcing.codecs.files import first_line

FRAMES: Final = 16
"""In the middles of equal parts of a video, as VBench's."""
THRESHOLD: Final = 0.1
"""Of a box's score, as in transformers' documentation of OWL."""
BOXES: Final = 5
"""Of one object that are kept, the surest ones."""
QUERY: Final = "a photo of a {}"
"""What OWL is asked for, after its authors."""
MODELS: Final = ("owlvit", "owlv2")
GFLOP: Final = 1100.0
"""Of a frame in OWLv2-B/16 at 960 x 960: 3600 tokens."""


class Detector(Protocol):
    """Finds objects by name."""

    def __call__(
        self, frame: UInt8[Tensor, "3 height width"], names: Sequence[str], /
    ) -> Float[Tensor, "name {BOXES} 5"]:
        """Score, left, top, right and bottom (shares of width and height) of the surest boxes; 0 and NaN: no box."""


class Owl:
    """OWL-ViT or OWLv2 in transformers' layout. Nothing is downloaded, no code in the folder is run.

    Args:
        folder: with config, weights (safetensors), tokenizer and processor.
        device: where it computes.

    Raises:
        ValueError: the folder holds something else.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.processor: Any = AutoProcessor.from_pretrained(folder, **local)
            model = AutoModelForZeroShotObjectDetection.from_pretrained(folder, use_safetensors=True, **local)
        except Exception as error:  # transformers raises many kinds
            raise ValueError(f"detector: {folder} is no detector of transformers ({first_line(error)})") from error
        if model.config.model_type not in MODELS:
            raise ValueError(f"detector: {folder} is {model.config.model_type!r}; allowed: {', '.join(MODELS)}")
        self.model: Any = model.eval().requires_grad_(requires_grad=False).to(device)

    @torch.no_grad()
    def __call__(
        self, frame: UInt8[Tensor, "3 height width"], names: Sequence[str], /
    ) -> Float[Tensor, "name {BOXES} 5"]:
        """Every box belongs to the name that fits it best."""
        text = [[QUERY.format(name) for name in names]]
        inputs = self.processor(text=text, images=[frame.cpu()], return_tensors="pt", truncation=True)
        seen = self.model(**inputs.to(self.model.device))
        height, width = frame.shape[-2:]
        (found,) = self.processor.post_process_grounded_object_detection(
            seen, threshold=THRESHOLD, target_sizes=[(height, width)]
        )
        boxes = found["boxes"].float().cpu() / torch.tensor([width, height, width, height])
        rows = torch.cat([found["scores"].float().cpu()[:, None], boxes], 1)
        return surest(rows, found["labels"].cpu(), len(names))


def surest(rows: Float[Tensor, "found 5"], labels: Tensor, names: int) -> Float[Tensor, "name {BOXES} 5"]:
    """The boxes of every name with the highest scores, filled up with scores of 0 and boxes of NaN."""
    kept = torch.tensor([0.0, *[torch.nan] * 4]).repeat(names, BOXES, 1)
    for name in range(names):
        mine = rows[labels == name]
        best = mine[mine[:, 0].argsort(descending=True)][:BOXES]
        kept[name, : len(best)] = best
    return kept


def sights(
    detector: Detector, asked: Sequence[Sequence[str]], chosen: UInt8[Tensor, "clip frame 3 height width"]
) -> Float[Tensor, "clip frame name {BOXES} field"]:
    """Of every clip, frame and name asked for: scores and boxes of the surest, colours in the first; NaN: none."""
    most = max(map(len, asked))
    made = torch.full((*chosen.shape[:2], most, BOXES, 5 + len(NAMES)), torch.nan)
    for clip, names in enumerate(asked):
        for place, frame in enumerate(chosen[clip] if names else ()):
            found = detector(frame, names)
            made[clip, place, : len(names), :, :5] = found
            for name in range(len(names)):
                if found[name, 0, 1:].isfinite().all():
                    made[clip, place, name, 0, 5:] = shares(frame.cpu(), found[name, 0, 1:])
    return made


def watch(asked: Asked, *, detector: Detector) -> Mapping[str, Watcher]:
    """What is found of what each video should show; nothing is looked for in videos that ask for nothing."""
    complaints: list[str] = []
    names = [_queries(*pair, complaints) for pair in zip(asked.prompts, asked.known(), strict=True)]
    if not any(names):
        nothing = torch.full((len(names), FRAMES, 1, BOXES, 5 + len(NAMES)), torch.nan)
        return {"objects": Noted(Known(nothing), complaints)}
    choose = partial(middle_frames, count=FRAMES)
    return {"objects": Noted(Chosen(partial(sights, detector, names), asked.windows, choose), complaints)}


def _queries(prompt: str, details: Mapping[str, Any], complaints: list[str]) -> tuple[str, ...]:
    try:
        return queries(wishes(prompt, details))
    except ValueError as error:
        complaints.append(f"no objects are looked for: {error}")
        return ()


def _load(paths: Sequence[Path], device: torch.device) -> Extractor:
    return partial(watch, detector=Owl(paths[0].parent, device))


def _about(paths: Sequence[Path]) -> str:
    return identity(paths[0].parent)


def _cost(_: Footage) -> float:
    """The whole and its first clip, of a video that should show something."""
    return 2 * FRAMES * GFLOP


BACKENDS: Final = (
    Backend(
        name="detector",
        title="OWLv2",
        libraries=("transformers",),
        files=(
            File(
                key="detector",
                names=("owlv2/model.safetensors",),
                size=620_000_000,
                licence="Apache-2.0",
                hint="hf download google/owlv2-base-patch16-ensemble --local-dir checkpoints/evaluation/owlv2, all of "
                "it; another folder: --weights detector=FOLDER/model.safetensors (OWL-ViT, too)",
            ),
        ),
        load=_load,
        cost=_cost,
        about=_about,
    ),
)
