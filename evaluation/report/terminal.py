"""An evaluation on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.report import view
from evaluation.report.reading import read_results
from evaluation.report.words import clip_columns, rates


def print_table(runs: Path | Sequence[Path], reference: str | None = None) -> None:
    """Print means and differences, metrics as rows, and the verdicts with their intervals to the terminal.

    Raises:
        ValueError: as `read_results`.
    """
    results = read_results(runs, reference)
    summary, measures = results.summary, results.measures
    console = Console()
    for columns in (summary.primary, *clip_columns(summary)):
        said = view.cells_table(summary, measures, columns, rates(results.speed))
        table = Table("", title=f"Means and differences to {summary.reference}", box=box.SIMPLE_HEAD)
        for row in said.rows:
            table.add_column(row.name, justify="right", style="dim" if row.kind == "baseline" else "")
        for i, heading in enumerate(said.headers):
            fields = [Text.assemble(*_styled(row.fields[i])) for row in said.rows]
            table.add_row(Text.assemble(heading[0], "  ", (heading[1], "dim")), *fields)
        console.print(table)
    for verdict in view.verdicts(summary, measures):
        console.print(Text(f"{verdict}\n"))


def _styled(field: view.Shown) -> list[tuple[str, str]]:
    colour = "dim" if field.optimised else {"better": "green", "worse": "red"}.get(field.verdict, "dim")
    return [(field.value, "dim" if field.optimised else ""), *([(f" {field.change}", colour)] if field.change else [])]
