"""Does the sprite stay what it was, and is a frame nothing but its state? Arithmetic: `reward_forcing.toy.likeness`.

All are about frames with one sprite and NaN elsewhere: read beside `one_sprite`.
"""

from jaxtyping import Float
from torch import Tensor

from evaluation.evidence import Evidence
from evaluation.measure import Measure
from reward_forcing.toy import tracker


def colour_kept(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where the sprite has the colour it had in the first chunk, whatever the caption says."""
    return evidence.toy.colour_kept


def shape_kept(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where the sprite has the shape it had in the first chunk."""
    return evidence.toy.shape_kept


def identity(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """1 where the sprite has both the colour and the shape it had in the first chunk."""
    return evidence.toy.colour_kept * evidence.toy.shape_kept


def fidelity(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """PSNR against the frame drawn again from its state, with the first chunk's palette and size, at most 50 dB."""
    return evidence.toy.fidelity


def sprite_colour_error(evidence: Evidence) -> Float[Tensor, "clip frame"]:
    """Distance in RGB, colours in [0, 1], of the sprite's inside to the colour it should have."""
    return evidence.toy.paint_error


def resets(evidence: Evidence) -> Float[Tensor, " clip"]:
    """How often the sprite leaps back to its first place."""
    return tracker.resets(evidence.toy)


MEASURES = (
    Measure(name="colour_kept", title="colour kept", better="higher", target=1, kind="toy", function=colour_kept),
    Measure(name="shape_kept", title="shape kept", better="higher", target=1, kind="toy", function=shape_kept),
    Measure(name="identity", title="identity", better="higher", target=1, kind="toy", function=identity),
    Measure(name="fidelity", title="fidelity", unit="dB", better="higher", target=50, kind="toy", function=fidelity),
    Measure(
        name="sprite_colour_error",
        title="sprite colour error",
        better="lower",
        target=0,
        kind="toy",
        function=sprite_colour_error,
    ),
    Measure(
        name="resets",
        title="resets",
        unit="a video",
        better="lower",
        target=0,
        kind="toy",
        min_frames=2,
        function=resets,
    ),
)
