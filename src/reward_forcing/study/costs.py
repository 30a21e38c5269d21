"""What the runs of a study took: one line each, in the folder of the study."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FILE: Final = "runs.jsonl"


@dataclass(frozen=True)
class Run:
    """One call of a study, finished or not.

    Args:
        jobs: how much was done side by side.
        seconds: from start to end, without what comes before the first training.
        trained: digests of the students it finished.
    """

    jobs: int
    seconds: float
    trained: tuple[str, ...] = ()


def note_run(folder: Path, run: Run) -> None:
    """Add a run to those of a study."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def runs(folder: Path) -> list[Run]:
    """The runs of a study so far, the oldest first."""
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines() if (folder / FILE).is_file() else []
    return [Run(noted["jobs"], noted["seconds"], tuple(noted["trained"])) for noted in map(json.loads, lines)]
