"""Whether videos show what the words say: VBench's style, consistency and action, and the plain CLIP score.

The networks are certified by architecture; no score was compared on the public weights. Temporal style and overall
consistency are one formula on two sets of prompts; a video made from a rewritten prompt is compared with its
`official_prompt`, if its metadata have one.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.functional.agreement import agreement
from evaluation.measure import Measure
from evaluation.networks.umt import recognised


def clip_score(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Cosine of every frame's and the prompt's features in CLIP ViT-B/32."""
    return agreement(evidence.signal("clip_pictures"), evidence.signal("clip_prompts")[:, 0])


def appearance_style(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """The same for the words of the style; NaN where the metadata have no `appearance_style`."""
    return agreement(evidence.signal("clip_pictures"), evidence.signal("clip_styles")[:, 0])


def video_text(evidence: Evidence) -> Float[Tensor, " clip"]:
    """Cosine of the video's and the prompt's features in ViCLIP."""
    return agreement(evidence.overall("viclip"), evidence.signal("viclip_prompts")[:, 0])


def human_action(evidence: Evidence) -> Float[Tensor, " clip"]:
    """1 where the prompt's action ("... person is ...") is recognised, 0 elsewhere; NaN if it names none of the 400."""
    wanted, found = evidence.signal("action_wanted")[:, 0], evidence.overall("actions")
    hits = [float(action in recognised(row)) for action, row in zip(wanted.tolist(), found, strict=True)]
    known = wanted.isfinite() & found.isfinite().all(1)
    return torch.where(known, torch.tensor(hits), torch.nan)


ANY = partial(Measure, kind="any", better="higher")
PICTURES = partial(ANY, needs=("clip_pictures",), optimised_by=("clip", "ViT-"))
MEASURES = (
    PICTURES(name="clip_score", title="CLIP score", function=clip_score),
    PICTURES(name="appearance_style", title="appearance style", function=appearance_style),
    ANY(name="temporal_style", title="temporal style", needs=("viclip",), scope="whole", function=video_text),
    ANY(name="overall_consistency", title="overall consistency", needs=("viclip",), scope="whole", function=video_text),
    ANY(name="human_action", title="human action", needs=("umt",), scope="whole", function=human_action),
)
