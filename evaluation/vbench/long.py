"""VBench-Long's tables, read from the user's clone: how long clips are, and how scores between clips are mapped."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from evaluation.vbench.source import Copy
from evaluation.vbench.suites import Suite

CONFIGS: Final = "vbench2_beta_long/configs"
CLIP_LENGTHS: Final = "clip_length_mix.yaml"
Consistency = Literal["subject", "background"]


@dataclass(frozen=True)
class ClipMapping:
    """A table from the consistency between clips to the scale of the consistency within clips.

    Args:
        knots: scores between clips, rising.
        values: what they become.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, score: float) -> float:
        """The mapped score: linear between knots, constant beyond them."""
        right = bisect_left(self.knots, score)
        if right in (0, len(self.knots)):
            return self.values[min(right, len(self.knots) - 1)]
        x0, x1 = self.knots[right - 1 : right + 1]
        y0, y1 = self.values[right - 1 : right + 1]
        return y0 + (y1 - y0) * (score - x0) / (x1 - x0)


def clip_lengths(source: Copy, name: str = CLIP_LENGTHS) -> dict[str, float]:
    """Seconds of a clip by dimension. Raises ValueError where the copy has no such table."""
    path = f"{CONFIGS}/{name}"
    return flat_table(source.text(path), f"{source.place}, {path}")


def clip_seconds(prompt: str, suite: Suite, lengths: Mapping[str, float]) -> float:
    """Seconds of the clips that a prompt's videos are cut into: the longest that its dimensions ask for.

    Raises:
        ValueError: the prompt is not of the suite, or no length is known for its dimensions.
    """
    known = [lengths[name] for name in suite.dimensions_of(prompt) if name in lengths]
    if not known:
        raise ValueError(f"{prompt!r}: no clip length; its dimensions: {suite.dimensions_of(prompt) or 'none'}")
    return max(known)


def mapping_table(source: Copy, consistency: Consistency) -> ClipMapping:
    """The table that maps scores between clips. Raises ValueError where it is missing or does not rise."""
    path = f"{CONFIGS}/{consistency}_mapping_table.yaml"
    place = f"{source.place}, {path}"
    table = {float(key): value for key, value in flat_table(source.text(path), place).items()}
    knots = tuple(sorted(table))
    if len(knots) < 2:
        raise ValueError(f"{place}: {len(knots)} knots; a table has two or more")
    return ClipMapping(knots, tuple(table[knot] for knot in knots))


def fusion_weights(source: Copy, consistency: Consistency) -> tuple[float, float]:
    """Weights of the consistency within clips and of the mapped one between them. Raises ValueError if unknown."""
    path = f"{CONFIGS}/slow_fast_params.yaml"
    table = flat_table(source.text(path), f"{source.place}, {path}")
    names = [f"w_{part}_{ {'subject': 'sb', 'background': 'bg'}[consistency] }" for part in ("inclip", "clip2clip")]
    if missing := [name for name in names if name not in table]:
        raise ValueError(f"{source.place}, {path}: {', '.join(missing)} is missing")
    return table[names[0]], table[names[1]]


def flat_table(text: str, place: str) -> dict[str, float]:
    """Lines `name: number`, which is all the YAML that these tables use; comments and empty lines may be there.

    Raises:
        ValueError: a line is not like that; the message has its number.
    """
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, value = line.partition("#")[0].partition(":")
        if not name.strip():
            continue
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise ValueError(f"{place}, line {number}: {line.strip()!r}; allowed: name: number") from error
    return found
