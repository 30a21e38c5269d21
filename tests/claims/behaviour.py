"""What the paper says about behaviour, and what the committed results of our studies say to that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from reward_forcing.study.writing import read_found

RESULTS = Path(__file__).parents[2] / "experiments/results"

Found: TypeAlias = Mapping[str, Any]
"""The results of a study, as it wrote them."""

Pair: TypeAlias = tuple[str, str]
"""Two levels of a factor, or two cells: the first minus the second."""

Interval: TypeAlias = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper as a question about the difference between two levels.

    Args:
        says: what the paper says, and where.
        study: that was to find out.
        pair: the levels.
        metric: that answers.
        window: part of the videos.
        predicted: "more" or "less" of it at the first level; "kept": no loss beyond `margin` (higher is better).
        margin: that a loss must not exceed.
    """

    says: str
    study: str
    pair: Pair
    metric: str
    window: str = "all"
    predicted: Literal["more", "less", "kept"]
    margin: float = 0.0

    def verdict(self, interval: Interval) -> str:
        """Supported or contradicted, if the whole interval is on one side; else undecided."""
        _, low, high = interval
        limit = -self.margin if self.predicted == "kept" else 0.0
        above, below = low > limit, high < limit
        expected, opposite = (below, above) if self.predicted == "less" else (above, below)
        return "supported" if expected else "contradicted" if opposite else "undecided"


def load(study: str, results: Path = RESULTS) -> Found:
    """The results of a study. Raises FileNotFoundError with the command that makes them."""
    found = read_found(results / f"{study}.json")
    if found is None:
        raise FileNotFoundError(f"there are no results of {study}; make them: reward-forcing study {study}")
    return found


def differences(found: Found, metric: str, window: str) -> dict[Pair, Interval]:
    """Of every two levels or cells that the study compared on a metric, in both directions."""
    known: dict[Pair, Interval] = {}
    for one in (*found["effects"], *found["differences"]):
        if (one["metric"], one["window"]) == (metric, window) and None not in (one["low"], one["high"]):
            pair = (one["cell"], found["reference"]) if "cell" in one else _levels(one["name"])
            known.setdefault(pair, (one["mean"], one["low"], one["high"]))
    turned = {(second, first): (-mean, -high, -low) for (first, second), (mean, low, high) in known.items()}
    return {**turned, **known}


def _levels(name: str) -> Pair:
    """The levels of a main effect, `sink: ema - static`; those of an interaction are left together."""
    first, _, second = name.partition(": ")[2].partition(" - ")
    return first, second


def answer(claim: Claim, found: Found) -> Interval:
    """The difference that a claim is about. Raises KeyError if the study did not compare these."""
    known = differences(found, claim.metric, claim.window)
    if claim.pair not in known:
        compared = ", ".join(f"{first} - {second}" for first, second in known) or "nothing"
        wanted = f"{' - '.join(claim.pair)} on {claim.metric} {claim.window}"
        raise KeyError(f"{claim.study} does not tell {wanted}; it tells {compared}")
    return known[claim.pair]


def row(claim: Claim, found: Found) -> str:
    """A claim, what it was asked of, what was found, and the verdict: a line of the page's table."""
    mean, low, high = interval = answer(claim, found)
    column = next(c for c in found["columns"] if (c["metric"], c["window"]) == (claim.metric, claim.window))
    part = "" if claim.window == "all" else f", {claim.window}"
    mark = " (*optimised*)" if column["optimised"] else ""
    asked = f"`{claim.metric}`{part}{mark}: {' - '.join(claim.pair)}"
    numbers = f"{mean:+.2g} [{low:+.2g}, {high:+.2g}]"
    return f"| {claim.says} | {asked} | {numbers} | {claim.verdict(interval)} |"


def table(claims: Sequence[Claim], results: Path = RESULTS) -> str:
    """All claims."""
    head = "| the paper | asked of | difference, 95 % interval | verdict |\n|---|---|---|---|"
    return "\n".join([head, *(row(claim, load(claim.study, results)) for claim in claims)])
