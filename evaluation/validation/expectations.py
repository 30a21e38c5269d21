"""What every metric promises about damage: the declared half of `evaluation.validation.sensitivity`."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from evaluation.windows import WHOLE

Names: TypeAlias = frozenset[str]


@dataclass(frozen=True)
class Row:
    """A metric, and the corruptions that must move it up or down or must leave it still; of others nothing is said."""

    metric: str
    size: float
    """A large difference between two videos, in the metric's unit: a tenth of it counts as moved, 3 % as still."""
    up: Names
    down: Names
    still: Names
    statistic: str = WHOLE
    stand_in: bool = False
    """Whether it looks through a stand-in for a network."""

    @property
    def name(self) -> str:
        """As the page shows it."""
        whole = self.metric if self.statistic == WHOLE else f"{self.metric}, {self.statistic}"
        return f"{whole} *" if self.stand_in else whole


def names(*words: str) -> Names:
    """Names of corruptions, from words divided by commas."""
    return frozenset(name.strip() for word in words for name in word.split(",") if name.strip())


LIGHT: Final = "colour drift, brightening, blur, noise"
"""Everything but the sprite's and the camera's places changes."""
TIME: Final = "frozen, slowed, reset, flashback"
"""The right frames at the wrong time."""
SPRITE: Final = "identity switch, vanish"


def row(metric: str, size: float, *, up: str = "", down: str = "", still: str = "", statistic: str = WHOLE) -> Row:
    """A row from words."""
    return Row(metric, size, names(up), names(down), names(still), statistic)


def port(metric: str, size: float, *, up: str = "", down: str = "", still: str = "") -> Row:
    """A row of a metric that looks through a network."""
    return Row(metric, size, names(up), names(down), names(still), stand_in=True)


ROWS: Final = (
    row("one_sprite", 1, down="vanish", still=f"{TIME}, {LIGHT}, jitter, identity switch"),
    row("colour_accuracy", 1, down=SPRITE, still=f"{TIME}, {LIGHT}, jitter"),
    row("shape_accuracy", 1, down=SPRITE, still=f"{TIME}, {LIGHT}, jitter"),
    row("shape_overlap", 1, down="blur", still=f"{TIME}, colour drift, jitter, {SPRITE}"),
    row("caption_accuracy", 1, down=f"frozen, slowed, reset, jitter, {SPRITE}", still=f"{LIGHT}, flashback"),
    row("colour_kept", 1, down="identity switch", still=f"{TIME}, {LIGHT}, jitter, vanish"),
    row("shape_kept", 1, down="identity switch", still=f"{TIME}, {LIGHT}, jitter, vanish"),
    row("identity", 1, down="identity switch", still=f"{TIME}, {LIGHT}, jitter, vanish"),
    row("fidelity", 50, down=f"{LIGHT}, fading", still=f"{TIME}, {SPRITE}"),
    row("fidelity", 50, up="colour drift, brightening", still=f"{TIME}, noise", statistic="drift_std"),
    row("fidelity", 50, down="colour drift, brightening, blur", still=f"{TIME}, noise", statistic="drift_last_first"),
    row("fidelity", 50, down=LIGHT, still=TIME, statistic="worst_window"),
    row(
        "sprite_colour_error",
        0.3,
        up="colour drift, brightening, fading, blur",
        still=f"{TIME}, jitter, noise, {SPRITE}",
    ),
    row("palette_drift", 0.3, up="colour drift, brightening, noise", still=f"{TIME}, blur, jitter, {SPRITE}"),
    row("contrast", 1, down="fading", still=f"{TIME}, {LIGHT}, jitter, {SPRITE}"),
    row("net_displacement", 8, down="frozen, slowed, jitter", still=f"{LIGHT}, identity switch"),
    row("motion_ratio", 1, down="frozen, slowed, jitter", still=f"{LIGHT}, identity switch"),
    row("step_motion", 0.9, up="jitter", down="frozen, slowed", still=f"{LIGHT}, reset, flashback, {SPRITE}"),
    row("speed_accuracy", 1, down="frozen, slowed, jitter", still=f"{LIGHT}, reset, flashback, {SPRITE}"),
    row("jitter", 1, up="slowed, reset, flashback, jitter", down="frozen", still=f"brightening, blur, {SPRITE}"),
    row("jitter_ratio", 8, up="slowed, reset, flashback, jitter", down="frozen", still=f"brightening, blur, {SPRITE}"),
    row("jumps", 0.2, up="reset, flashback", still=f"frozen, slowed, {LIGHT}, {SPRITE}"),
    row("resets", 3, up="reset, flashback", still=f"frozen, slowed, {LIGHT}, jitter, {SPRITE}"),
    row("pan_accuracy", 1, down="frozen, slowed, reset, jitter", still=f"{LIGHT}, flashback, {SPRITE}"),
    row("pan_direction", 1, down="frozen, reset, flashback, jitter", still=f"{LIGHT}, slowed, {SPRITE}"),
    row("scroll_ratio", 1, down="frozen, slowed, reset, jitter", still=f"{LIGHT}, flashback, {SPRITE}"),
    row("state_frechet", 20, up=f"{TIME}, jitter", still=f"{LIGHT}, identity switch"),
    row("copy_score", 1, up=f"{TIME}, jitter", still=f"{LIGHT}, {SPRITE}"),
    row("chunk_seams", 2, up="reset", still=LIGHT),
    row("seam_cuts", 1, up="reset", still="blur"),
    row("sink_similarity", 1, up="frozen, reset, flashback, jitter", still=LIGHT),
    row("sink_relapse", 1, up="reset, flashback, jitter", down="frozen, slowed", still="brightening, blur, noise"),
    row("relapse_excess", 1, up="reset, flashback, jitter", down="frozen, slowed", still="brightening, blur, noise"),
    row("sink_relapses", 3, up="reset, flashback, jitter", still=LIGHT),
    row("revisits", 0.5, up="frozen, reset, flashback, jitter", still=f"{LIGHT}, slowed, {SPRITE}"),
    row("stagnation", 1, up="frozen, slowed", still=f"{LIGHT}, reset, flashback, identity switch"),
    row(
        "frame_difference", 10, up="reset, flashback, noise, jitter", down="frozen, slowed", still="colour drift, blur"
    ),
    row(
        "temporal_flickering",
        0.05,
        up="frozen, slowed",
        down="reset, flashback, noise, jitter",
        still="colour drift, blur",
    ),
    port("subject_consistency", 0.5, up="frozen, reset, jitter", still="colour drift, blur, brightening, vanish"),
    port("background_consistency", 0.5, up="frozen, reset, jitter", still="colour drift, blur, vanish"),
    port("dynamic_degree", 1, down="frozen", still="slowed, reset, flashback, colour drift, blur"),
    port("flow_strength", 2, up="noise, jitter", down="frozen, slowed, vanish", still="colour drift"),
    port("flow_median", 2, up="noise, jitter", down="frozen, slowed, vanish", still="colour drift, reset, flashback"),
    port(
        "moving_pairs", 1, up="noise, jitter, brightening", down="frozen, slowed, vanish", still="colour drift, reset"
    ),
    port("motion_smoothness", 0.05, up="frozen", down="reset, flashback, noise, jitter", still="colour drift, slowed"),
)
"""Declared by meaning, held by measurement; `sensitivity` says what the words mean."""
