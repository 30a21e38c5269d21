"""Scores on disk while they are being taken: JSON lines that survive a kill, one for every look at a video."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from evaluation.shape import Shape, misshapen, read_json
from evaluation.table import VIDEO, Record, from_json, misplaced, to_json

LINE: Final[Shape] = {"fingerprint": str, "marks": {str: str}, **VIDEO}


class Store:
    """Scores by fingerprint of the video; a context manager that appends to its file.

    A score is taken again when its mark (the instruments' fingerprints) is another one, or the fingerprint is.

    Args:
        path: of the file; what it holds already is read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, path.parent
        self.records: dict[str, Record] = {}
        self.marks: dict[str, dict[str, str]] = {}
        self._file: IO[str] | None = None
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
            self._read(line)

    def __enter__(self) -> "Store":
        self.folder.mkdir(parents=True, exist_ok=True)
        torn = self.path.is_file() and self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n")
        self._file = self.path.open("a", encoding="utf-8")
        self._file.write("\n" if torn else "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def _read(self, line: str) -> None:
        """A line of the file; one that an interruption cut short, or a fault of the disk changed, is skipped."""
        try:
            known = read_json(line)
        except ValueError:
            return
        if not (misshapen(known, LINE) or misplaced(known)):
            fingerprint, marks = known.pop("fingerprint"), known.pop("marks")
            self._merge(fingerprint, from_json(known), marks)

    def _merge(self, fingerprint: str, record: Record, marks: Mapping[str, str]) -> None:
        before = self.records.get(fingerprint)
        scores = {**(before.scores if before else {}), **record.scores}
        notes = tuple(dict.fromkeys([*(before.notes if before else ()), *record.notes]))
        self.records[fingerprint] = replace(record, scores=scores, notes=notes)
        self.marks.setdefault(fingerprint, {}).update(marks)

    def lacks(self, fingerprint: str, marks: Mapping[str, str]) -> bool:
        """Whether some metric has not been tried on this video, or with other weights."""
        known = self.marks.get(fingerprint, {})
        return any(known.get(name) != mark for name, mark in marks.items())

    def add(self, fingerprint: str, record: Record, marks: Mapping[str, str]) -> None:
        """Keep the scores of a video; `marks` are those of all metrics that were tried."""
        assert self._file is not None
        known = to_json(record)
        self._merge(fingerprint, from_json(known), marks)  # rounded, as it will be read back
        self._file.write(json.dumps({"fingerprint": fingerprint, "marks": marks, **known}, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Nothing before this is lost."""
        assert self._file is not None
        self._file.flush()

    def record(self, fingerprint: str, marks: Mapping[str, str]) -> Record | None:
        """The record of a video with the scores of these metrics, in their order; None if it has none."""
        if fingerprint not in self.records:
            return None
        found = self.records[fingerprint]
        return replace(found, scores={name: found.scores[name] for name in marks if name in found.scores})
