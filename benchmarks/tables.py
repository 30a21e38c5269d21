"""The tables and the picture of benchmarks/README.md: what the files of results hold, and nothing else."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.common import RESULTS
from benchmarks.plots import PICTURE, latency, series
from evaluation.table import atomically
from reward_forcing.study.writing import BLOCK, NOT_YET

Values: TypeAlias = Mapping[str, Any]
PAGE: Final = Path(__file__).parent / "README.md"
DASH: Final = "–"
LATENCY: Final = "latency"
"""The block of the picture."""


def write_page(folder: Path = RESULTS, page: Path = PAGE) -> list[Path]:
    """Write the page's blocks and the picture anew; what was written."""
    drawn = latency(folder)
    if drawn:
        atomically(folder / PICTURE, lambda partial: partial.write_bytes(drawn))
    text = refreshed(page.read_text(encoding="utf-8"), folder)
    atomically(page, lambda partial: partial.write_text(text, encoding="utf-8"))
    return [page, *([folder / PICTURE] if drawn else [])]


def refreshed(text: str, folder: Path) -> str:
    """A page with its blocks `<!-- results:NAME PART ... -->` written anew from `folder/NAME.json`.

    Raises:
        ValueError: a block asks for a part that its file has not.
    """

    def block(match: re.Match[str]) -> str:
        path = folder / f"{match[2]}.json"
        if match[2] == LATENCY:
            said = f"![Seconds of every chunk](results/{PICTURE})" if series(folder) else NOT_YET
        else:
            said = told(path, match[3].split()) if path.is_file() else NOT_YET
        return f"{match[1]}\n{said}\n\n{match[4]}"

    return BLOCK.sub(block, text)


def told(path: Path, parts: Sequence[str] = ()) -> str:
    """A file of results, or some parts of it, as tables, and below them on what they were measured.

    Raises:
        ValueError: there is no such part.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    measured: dict[str, Any] = found["measured"]
    strange = [part for part in parts if part not in measured]
    if strange:
        raise ValueError(f"{path.name}: there is no {strange[0]!r}; allowed: {', '.join(measured)}")
    wanted = {name: measured[name] for name in parts} if parts else measured
    return "\n\n".join([*tables(wanted), source(found)])


def tables(values: Values, title: str = "") -> Iterator[str]:
    """Single figures in one table, alike groups of figures as rows of another; lists are for pictures."""
    single = flat(values)
    if single:
        yield markdown([[title, ""], *([worded(name), shown(name, value)] for name, value in single.items())])
    for group in alike({name: value for name, value in values.items() if isinstance(value, Mapping)}):
        (name, value), *others = group.items()
        yield from rows(title, group) if others else tables(value, ", ".join(filter(None, [title, spaced(name)])))


def alike(values: Mapping[str, Values]) -> list[dict[str, Values]]:
    """Groups of figures, those together that share a figure's name with the first of them."""
    groups: list[dict[str, Values]] = []
    for name, value in values.items():
        mine = (group for group in groups if flat(next(iter(group.values()))).keys() & flat(value).keys())
        group = next(mine, None)
        if group is None:
            groups.append({name: value})
        else:
            group[name] = value
    return groups


def rows(title: str, values: Mapping[str, Values]) -> Iterator[str]:
    """Rows by name; the approximate ones apart, then what each row is made of."""
    exact = {name: row for name, row in values.items() if row.get("exact", True)}
    others = {name: row for name, row in values.items() if name not in exact}
    yield from table(title, exact)
    yield from table(f"{title}, approximate".removeprefix(", "), others)
    for key in dict.fromkeys(
        key for row in values.values() for key, value in row.items() if isinstance(value, Mapping)
    ):
        parts = {name: row.get(key, {}) for name, row in values.items()}
        named = {name: {f"{key}_{inner}": value for inner, value in row.items()} for name, row in parts.items()}
        yield from table(f"{title}: {spaced(key)}".removeprefix(": "), named)


def flat(row: Values) -> dict[str, Any]:
    """The single figures of a row; whether it is exact is said by where it stands."""
    return {key: value for key, value in row.items() if not isinstance(value, Mapping | list) and key != "exact"}


def table(title: str, values: Mapping[str, Values]) -> Iterator[str]:
    """A table with a name in its corner, if there is anything to show."""
    keys = list(dict.fromkeys(key for row in values.values() for key in flat(row)))
    short = [worded(key) for key in keys]
    heads = [spaced(key) if short.count(name) > 1 else name for key, name in zip(keys, short, strict=True)]
    lines = [[worded(name), *(shown(key, row.get(key)) for key in keys)] for name, row in values.items()]
    if keys:
        yield markdown([[title, *heads], *lines])


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lines of fields, the first of headings."""
    first, *rest = lines
    ruled = [first, ["---", *["---:"] * (len(first) - 1)], *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def spaced(key: str) -> str:
    """A name in words."""
    return key.replace("_", " ")


def digits(value: float) -> str:
    """Three of them, more of whole numbers.

    >>> digits(0.012345), digits(1412), digits(12345.6), digits(0)
    ('0.0123', '1412', '12346', '0')
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def time(seconds: float) -> str:
    """Seconds, or smaller units.

    >>> time(3.14159), time(0.0154), time(4.8e-5)
    ('3.14 s', '15.4 ms', '48 µs')
    """
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3)) if abs(seconds) >= s), ("µs", 1e-6))
    return f"{digits(seconds / scale)} {unit}"


def size(count: float) -> str:
    """Bytes, or larger units.

    >>> size(0), size(13819772), size(3.5e9)
    ('0 B', '13.8 MB', '3.5 GB')
    """
    units = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
    unit, scale = next(((u, s) for u, s in units if abs(count) >= s), ("B", 1.0))
    return f"{digits(count / scale)} {unit}"


def percent(share: float) -> str:
    """Of a whole."""
    return f"{digits(100 * share)} %"


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "seconds": time,
    "bytes": size,
    "gb": lambda value: f"{digits(value)} GB",
    "gflop": lambda value: f"{digits(value)} GFLOP",
    "gflops": lambda value: f"{digits(value)} GFLOP/s",
    "tflops": lambda value: f"{digits(value)} TFLOP/s",
    "db": lambda value: f"{digits(value)} dB",
    "share": percent,
    "stages": percent,
}
"""Words of a figure's name that say what it is counted in."""


def unit(key: str) -> str:
    """The word of a name that is its unit; none in that of a ratio (`late_to_early_seconds`)."""
    words = [] if "_to_" in key else key.split("_")
    return next((word for word in words if word in UNITS), "")


def worded(key: str) -> str:
    """The name of a figure without its unit.

    >>> worded("chunk_seconds"), worded("stages_linear layers"), worded("late_to_early_chunk_seconds"), worded("share")
    ('chunk', 'linear layers', 'late to early chunk seconds', 'share')
    """
    words, known = key.split("_"), unit(key)
    return " ".join(words[: words.index(known)] + words[words.index(known) + 1 :] if known else words) or known


def shown(key: str, value: Any) -> str:
    """A figure in words, by the unit in its name.

    >>> shown("of_matmul_rate", 0.751), shown("times_as_fast", 1.75), shown("exact", True), shown("x_db", None)
    ('75.1 %', '1.75', 'yes', '–')
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: DASH, True: "yes", False: "no"}[value]
    form = percent if key.startswith("of_") else UNITS.get(unit(key), digits)
    return form(value)


def source(found: Values) -> str:
    """Which command measured it, when, on what."""
    at: dict[str, Any] = found["environment"]
    parts = [
        f"`{found['command']}`",
        time(found["took_seconds"]) if "took_seconds" in found else "",
        str(at["date"])[:10],
        at["device"],
        f"{at['threads']} thread{'s' if at['threads'] != 1 else ''} of the CPU",
        f"{at['clock_mhz']:g} MHz" if "clock_mhz" in at else "",
        f"{at['load']:g} processes wanted to run" if "load" in at else "",
        f"torch {at['torch']}",
        f"commit {str(at['commit'])[:12]}" if at["commit"] else "",
    ]
    return f"{', '.join(filter(None, parts))}."
