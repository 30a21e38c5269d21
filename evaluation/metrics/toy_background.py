"""Does the background stay itself without being a copy of the beginning? Arithmetic: `reward_forcing.toy.tracker`.

Always read together: each alone can be had by cheating (a frozen video keeps its palette, a grey one does not copy).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure
from reward_forcing.toy.captions import parse
from reward_forcing.toy.world import PAN_OF_WORD


def palette_drift(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Mean RGB distance, colours in [0, 1], of the background to the palette of the first chunk."""
    return evidence.toy.palette_distance


def contrast(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Amplitude of the background relative to the first chunk."""
    return evidence.toy.contrast


def copy_score(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Correlation of the background with the first frame at zero shift; NaN unless the caption asks for a pan.

    Only then the first view must be left behind.
    """
    asked = torch.tensor([PAN_OF_WORD.get(parse(prompt).pan, 0.0) > 0 for prompt in evidence.prompts])
    return torch.where(asked[:, None], evidence.toy.copy, torch.nan)


MEASURES = (
    Measure(name="palette_drift", title="palette drift", better="lower", target=0, kind="toy", function=palette_drift),
    Measure(
        name="contrast",
        title="contrast",
        better="target",
        target=1,
        kind="toy",
        optimised_by=("tracked_motion",),
        function=contrast,
    ),
    Measure(name="copy_score", title="copy score", better="lower", kind="toy", function=copy_score),
)
