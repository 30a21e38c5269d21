"""What a study found, in Markdown: its own page, and blocks between markers in other pages."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from evaluation.report.view import ARROWS, DASH, WINDOW_WORDS, decimals, fixed, signed
from evaluation.table import number
from evaluation.windows import CLIP
from reward_forcing.composition import places
from reward_forcing.study.analysis import SCHEMA, TEACHER

Found = Mapping[str, Any]
NOT_YET: Final = "Not run yet."
BLOCK: Final = re.compile(r"^(<!-- results:(\w+)((?: \w+)*) -->\n).*?^(<!-- /results -->)", re.DOTALL | re.MULTILINE)
"""`<!-- results:NAME PART ... -->`, what was found, `<!-- /results -->`; without parts, the usual ones."""
USUAL: Final = ("verdicts", "table", "effects", "costs")


def read_found(path: Path) -> dict[str, Any] | None:
    """What a study found; None if it was not run.

    Raises:
        ValueError: the file is of another schema.
    """
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path}: the schema is {content.get('schema')!r}; allowed: {SCHEMA!r}; run the study again")
    return content


def refreshed(text: str, results: Path) -> str:
    """A page with its blocks written anew from the results in a folder.

    Raises:
        ValueError: a block asks for a part that there is not.
    """

    def block(match: re.Match[str]) -> str:
        known, parts = read_found(results / f"{match[2]}.json"), match[3].split() or USUAL
        strange = [part for part in parts if part not in PARTS]
        if strange:
            raise ValueError(f"results:{match[2]} {strange[0]}: no such part; allowed: {', '.join(PARTS)}")
        said = NOT_YET if known is None else joined(known, parts)
        return f"{match[1]}\n{said}\n\n{match[4]}"

    return BLOCK.sub(block, text)


def pages() -> list[Path]:
    """The pages that blocks of results may stand in."""
    root = places.shipped(".")
    return [*root.glob("README.md"), *sorted(root.glob("experiments/*.md")), *sorted(root.glob("docs/**/*.md"))]


def write() -> list[Path]:
    """Write the results of all studies into the pages that show them; those that changed."""
    changed = []
    for path in pages():
        before = path.read_text(encoding="utf-8")
        after = refreshed(before, places.shipped("experiments/results"))
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


def joined(found: Found, parts: Sequence[str]) -> str:
    """Some parts one after the other; those with nothing to say are left out."""
    return "\n\n".join(filter(None, (PARTS[part](found) for part in parts)))


def page(found: Found) -> str:
    """The page of a study's results."""
    command = f"`{found['command']}`, {found['date']}, {found['machine']['cpu']}, {found['machine']['cores']} cores"
    said = joined(found, tuple(PARTS))
    return f"# Results of {found['name']}\n\n{found['question']}\n\n{command}\n\n{said}\n"


def table(found: Found) -> str:
    """Headlines of all cells, the truth and trivial videos; below each the paired difference to the reference."""
    columns = [column for column in found["columns"] if column["headline"]]
    told = f"Means, 95 % intervals over {found['unit']}, and paired differences to {found['reference']}."
    return f"{_table(found, columns, [*found['cells'], *found['baselines']])}\n\n{told}"


def optimised(found: Found) -> str:
    """The same of what students were trained on, which is no evidence."""
    columns = [column for column in found["columns"] if column["optimised"] and column["window"] != CLIP]
    shown = _table(found, columns, [*found["cells"], *found["baselines"]])
    return f"Optimised by the training, so no evidence:\n\n{shown}" if columns else ""


def others(found: Found) -> str:
    """The same of what else was compared."""
    columns = [c for c in found["columns"] if not (c["optimised"] or c["headline"] or c["window"] == CLIP)]
    return f"Also compared:\n\n{_table(found, columns, found['cells'])}" if columns else ""


def clips(found: Found) -> str:
    """First clips, the length of the training, beside the teacher's."""
    columns = [column for column in found["columns"] if column["window"] == CLIP]
    shown = _table(found, columns, [*found["cells"], TEACHER, "truth"])
    return f"First clips, beside the teacher's 20 steps:\n\n{shown}"


def _table(found: Found, columns: Sequence[Found], cells: Sequence[str]) -> str:
    values = {(e["cell"], e["metric"], e["window"]): e for e in found["estimates"]}
    changes = {(d["cell"], d["metric"], d["window"]): d for d in found["differences"]}
    lines = [["cell", *map(heading, columns)], ["---"] * (len(columns) + 1)]
    for cell in cells:
        keys = [(cell, column["metric"], column["window"]) for column in columns]
        name = f"{cell} (reference)" if cell == found["reference"] else cell
        places = [_places(found, column) for column in columns]
        fields = [_field(values.get(k), changes.get(k), p) for k, p in zip(keys, places, strict=True)]
        lines.append([name, *fields])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def heading(column: Found) -> str:
    """A column in words: title, window, unit and direction."""
    aim = f"→ {column['target']:g}" if column["better"] == "target" else ARROWS[column["better"]]
    mark = "optimised" if column["optimised"] else ""
    small = ", ".join(filter(None, [column["unit"], WINDOW_WORDS[column["window"]], aim, mark]))
    return f"{column['title']} ({small})" if small else str(column["title"])


def _places(found: Found, column: Found) -> int:
    mine = [e for e in found["estimates"] if (e["metric"], e["window"]) == (column["metric"], column["window"])]
    return decimals(number(e["mean"]) for e in mine if e["cell"] in found["cells"])


def _field(value: Found | None, change: Found | None, places: int) -> str:
    """A field of a table."""
    if value is None or value["mean"] is None:
        return DASH
    shown = f"{fixed(number(value['mean']), places)}{_ends(value, places, fixed)}"
    if change is None or change["mean"] is None:
        return shown
    said = f" **{change['verdict']}**" if change["verdict"] not in ("unclear", "open") else ""
    return f"{shown}<br>{signed(number(change['mean']), places)}{_ends(change, places, signed)}{said}"


def _ends(value: Found, places: int, form: Callable[[float, int], str]) -> str:
    return "" if value["low"] is None else f" [{form(value['low'], places)}, {form(value['high'], places)}]"


def verdicts(found: Found) -> str:
    """One line a cell: what the intervals of its headlines say, and what is equivalent within a declared margin."""
    return "\n".join(_line(found, cell) for cell in found["cells"] if cell != found["reference"])


def _line(found: Found, cell: str) -> str:
    columns = {(c["metric"], c["window"]): c for c in found["columns"] if c["headline"]}
    mine = [d for d in found["differences"] if d["cell"] == cell and (d["metric"], d["window"]) in columns]
    groups: dict[str, list[str]] = {}
    for d in mine:
        column = columns[d["metric"], d["window"]]
        groups.setdefault(said_of(d), []).append(_difference(d, column, _places(found, column)))
    said = "; ".join(f"{word}: {', '.join(some)}" for word, some in groups.items())
    return f"* **{cell}** against {found['reference']}: {said}."


def said_of(difference: Found) -> str:
    """The verdict on a difference: a small one may be known not to matter."""
    return "equivalent" if difference["equivalence"] == "equivalent" else str(difference["verdict"])


def _difference(d: Found, column: Found, places: int) -> str:
    window = WINDOW_WORDS[d["window"]]
    p = "" if d["p_holm"] is None else f", p {'< .001' if d['p_holm'] < 0.001 else fixed(d['p_holm'], 3).lstrip('0')}"
    where = f" in the {window}" if window else ""
    return f"{column['title']}{where} ({signed(number(d['mean']), places)}{_ends(d, places, signed)}{p})"


def effects(found: Found) -> str:
    """Main effects and interactions on the headlines, metrics as columns; nothing where there are not two factors."""
    columns = [column for column in found["columns"] if column["headline"]]
    names = list(dict.fromkeys(effect["name"] for effect in found["effects"]))
    known = {(e["name"], e["metric"], e["window"]): e for e in found["effects"]}
    lines = [["effect", *map(heading, columns)], ["---"] * (len(columns) + 1)]
    for name in names:
        some = [known[name, column["metric"], column["window"]] for column in columns]
        lines.append([name, *(_effect(e, _places(found, c)) for e, c in zip(some, columns, strict=True))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if names else ""


def _effect(effect: Found, places: int) -> str:
    said = "" if effect["verdict"] == "unclear" else f" **{effect['verdict']}**"
    return f"{signed(number(effect['mean']), places)}{_ends(effect, places, signed)}{said}"


def costs(found: Found) -> str:
    """What the study took."""
    trained = found["students"]
    seconds = sum(one["seconds"] for one in trained)
    operations = sum(one["planned_flops"] or 0.0 for one in trained)
    peak = max((one["peak_memory_gib"] for one in trained), default=0.0)
    own = sum(not one["reused"] for one in trained)
    machine = f"{found['machine']['cpu']}, {found['machine']['cores']} cores, {found['jobs']} at a time"
    return (
        f"{len(trained)} students, {own} of them trained for this study: {seconds / 60:.0f} minutes of one training "
        f"after the other, {operations / 1e15:.2g} PFLOP as planned, peak memory {peak:.2g} GiB. {found['videos']} "
        f"videos streamed and judged. From start to end: {found['seconds'] / 60:.1f} minutes ({machine})."
    )


PARTS: Final[Mapping[str, Callable[[Found], str]]] = {
    "verdicts": verdicts,
    "table": table,
    "effects": effects,
    "optimised": optimised,
    "others": others,
    "clips": clips,
    "costs": costs,
}
"""What can be said of a study."""
