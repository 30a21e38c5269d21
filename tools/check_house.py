"""The house limits that ruff does not know: how long files and functions are, what repeats, how much is tested.

`python tools/check_house.py` prints one line a limit, and the worst offenders of a limit that is not held.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CODE = ("src", "evaluation")
TESTS = ("tests",)
TOOLS = ("tools",)

FILE_LINES = 300
ADAPTOR_LINES = 400
ADAPTORS = ("src/reward_forcing/networks/weights", "src/reward_forcing/rewards/")
"""Weight formats and reward models translate long foreign lists."""

MEDIAN_FUNCTION = 8
LONG_FUNCTION = 30
LONG_FUNCTIONS_SHARE = 0.05
LONGEST_FUNCTION = 60
RUN = 6
"""So many equal lines in a row are a repetition."""

REPEATED_SHARE = 0.03
TESTS_PER_CODE = 1.0


@dataclass(frozen=True)
class Finding:
    """One limit: what was measured, what is allowed, and who is responsible where it is not held."""

    limit: str
    measured: float
    allowed: str
    held: bool
    worst: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        line = f"{'ok  ' if self.held else 'FAIL'} {self.limit:<44} {self.measured:>8.4g}   allowed: {self.allowed}"
        return "\n".join([line, *(f"       {offender}" for offender in self.worst if not self.held)])


@dataclass(frozen=True)
class Function:
    """A function and its length in lines, docstring included, decorators not."""

    place: str
    lines: int


def python_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """All python files of some folders, in a stable order."""
    return [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]


def line_count(path: Path) -> int:
    """Lines of a file, blank ones included."""
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path, root: Path) -> Iterator[Function]:
    """All functions and methods of a file, nested ones too; signatures without a body do not count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            place = f"{path.relative_to(root)}:{node.lineno} {node.name}"
            yield Function(place, node.end_lineno - node.lineno + 1)


def code_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers: no blank lines, comments, docstrings or imports."""
    text = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        documented = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if documented or isinstance(node, ast.Import | ast.ImportFrom):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    kept: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string.strip() and token.type != tokenize.COMMENT and token.start[0] not in skipped:
            kept[token.start[0]].append(token.string)
    return [(number, " ".join(words)) for number, words in sorted(kept.items())]


def repeated(paths: list[Path], root: Path) -> tuple[float, list[str]]:
    """The share of lines inside runs that occur more than once, and where such runs start."""
    places: dict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    lines = {path: code_lines(path) for path in paths}
    for path, said in lines.items():
        for start in range(len(said) - RUN + 1):
            places[tuple(text for _, text in said[start : start + RUN])].append((path, start))
    covered: set[tuple[Path, int]] = set()
    starts = []
    for found in places.values():
        if len(found) > 1:
            covered.update((path, start + offset) for path, start in found for offset in range(RUN))
            starts.append(" = ".join(f"{path.relative_to(root)}:{lines[path][start][0]}" for path, start in found))
    total = sum(len(said) for said in lines.values())
    return len(covered) / max(total, 1), starts


def check_files(root: Path) -> Finding:
    """No file is too long."""
    sizes = {str(path.relative_to(root)): line_count(path) for path in python_files(root, CODE + TESTS + TOOLS)}
    allowed = {name: ADAPTOR_LINES if name.startswith(ADAPTORS) else FILE_LINES for name in sizes}
    worst = [f"{name}: {size} lines" for name, size in sizes.items() if size > allowed[name]]
    limit = f"{FILE_LINES} lines ({ADAPTOR_LINES} for weight formats and rewards)"
    return Finding("longest file", max(sizes.values(), default=0), limit, not worst, worst)


def check_functions(root: Path) -> list[Finding]:
    """Functions are short; those of tests only must not be endless."""
    found = [function for path in python_files(root, CODE + TOOLS) for function in functions(path, root)]
    tests = [function for path in python_files(root, TESTS) for function in functions(path, root)]
    sizes = [function.lines for function in found] or [0]
    long = [f"{f.place}: {f.lines} lines" for f in found if f.lines > LONG_FUNCTION]
    endless = [f"{f.place}: {f.lines} lines" for f in [*found, *tests] if f.lines > LONGEST_FUNCTION]
    median, share = statistics.median(sizes), len(long) / len(sizes)
    longest = max(function.lines for function in [*found, *tests, Function("", 0)])
    return [
        Finding("median function, in lines", median, f"<= {MEDIAN_FUNCTION}", median <= MEDIAN_FUNCTION),
        Finding(
            f"share of functions over {LONG_FUNCTION} lines",
            share,
            f"<= {LONG_FUNCTIONS_SHARE}",
            share <= LONG_FUNCTIONS_SHARE,
            long,
        ),
        Finding("longest function, in lines", longest, f"<= {LONGEST_FUNCTION}", not endless, endless),
    ]


def check_repetition(root: Path) -> Finding:
    """Code is written once."""
    share, places = repeated(python_files(root, CODE + TESTS + TOOLS), root)
    limit = f"<= {REPEATED_SHARE}"
    return Finding(f"share of repeated lines (runs of {RUN})", share, limit, share <= REPEATED_SHARE, places[:20])


def check_tests(root: Path) -> Finding:
    """There is a line of test for every line of code."""
    tests, code = (sum(map(line_count, python_files(root, folders))) for folders in (TESTS, CODE))
    ratio = tests / max(code, 1)
    return Finding(
        f"lines of tests ({tests}) per line of code ({code})", ratio, f">= {TESTS_PER_CODE}", ratio >= TESTS_PER_CODE
    )


def check(root: Path) -> list[Finding]:
    """All limits."""
    return [check_files(root), *check_functions(root), check_repetition(root), check_tests(root)]


def main() -> int:
    """Print all findings; 1 if a limit is not held."""
    findings = check(Path(__file__).parents[1])
    print("House limits")
    for finding in findings:
        print(finding)
    return int(not all(finding.held for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
