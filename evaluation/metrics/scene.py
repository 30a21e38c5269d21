"""Whether the scene is the one asked for: VBench's scene, by words in captions of 16 middle frames.

The network is certified by architecture; no score was compared on the public weights.

VBench 0.1.5 with the transformers it asks for (4.33.2) multiplies what is seen by the number of beams once too often
and takes the first rows: the caption it counts for frame i is that of frame i // 3, so that it hears of the first six
of its 16 frames only, five of them three times. Scores of its command are of that kind, and so is `scene`;
`scene_all_frames` is what was meant. VBench squeezes frames while it decodes them, here it is done afterwards.
"""

from functools import partial
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure

BEAMS: Final = 3


def scene(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Share of frames with the scene's words in the caption, as VBench counts it: six of 16; NaN without a scene."""
    found = evidence.overall("scene_hits")
    return found[:, torch.arange(found.shape[1]) // BEAMS].mean(1)


def scene_all_frames(evidence: Evidence) -> Float[Tensor, " clip"]:
    """The same of all 16 frames, each by its own caption."""
    return evidence.overall("scene_hits").mean(1)


ANY = partial(Measure, kind="any", better="higher", needs=("tag2text",), scope="whole")
MEASURES = (
    ANY(name="scene", title="scene", function=scene),
    ANY(name="scene_all_frames", title="scene, all frames", function=scene_all_frames),
)
