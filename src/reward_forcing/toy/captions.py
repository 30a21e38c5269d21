"""The words of the toy world: what a caption may say, and reading one back.

A caption is four words in this order: colour, shape and speed of the sprite, pan of the camera; for instance
`red circle slow pan-fast`. `any` and `pan-any` leave the speed open (it is still fixed per clip); `plain` is the easy
world, whose background never moves.
"""

from dataclasses import dataclass
from typing import Final

COLOURS: Final = ("red", "yellow", "green", "cyan", "blue", "magenta")
SHAPES: Final = ("circle", "triangle", "cross")
SPRITE_SPEEDS: Final = ("slow", "medium", "fast", "any")
PANS: Final = ("pan-still", "pan-slow", "pan-fast", "pan-any", "plain")
PLAIN: Final = "plain"
VOCABULARY: Final = COLOURS + SHAPES + SPRITE_SPEEDS + PANS


@dataclass(frozen=True)
class Caption:
    """One caption, word by word; `str(caption)` is the prompt."""

    colour: str
    shape: str
    speed: str
    pan: str

    def __post_init__(self) -> None:
        """Raise ValueError for a word that its place in the caption does not allow."""
        _require("colour", self.colour, COLOURS)
        _require("shape", self.shape, SHAPES)
        _require("speed", self.speed, SPRITE_SPEEDS)
        _require("pan", self.pan, PANS)

    def __str__(self) -> str:
        """The prompt: four words separated by one blank."""
        return f"{self.colour} {self.shape} {self.speed} {self.pan}"

    @property
    def plain(self) -> bool:
        """Whether the caption asks for the easy world with a static background."""
        return self.pan == PLAIN


def parse(prompt: str) -> Caption:
    """Read a prompt back into a Caption.

    Raises:
        ValueError: the prompt is not four known words in the known order.
    """
    words = prompt.split()
    if len(words) != 4:
        raise ValueError(f"toy caption {prompt!r} has {len(words)} words; allowed: colour, shape, speed, pan (4 words)")
    return Caption(*words)


def _require(place: str, word: str, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        raise ValueError(f"toy caption: {place} is {word!r}; allowed: {', '.join(allowed)}")
