"""The report: one file, safe, the same every time, and saying what was found."""

import html.parser
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.evaluate import evaluate
from evaluation.report.page import chunk_medians, write_report
from evaluation.report.reading import read_results
from evaluation.report.terminal import print_table
from evaluation.report.words import settings, speed_rows
from evaluation.speed.figures import figures as speed_figures
from evaluation.speed.harness import Cell, measure
from evaluation.speed.writing import write_speeds
from reward_forcing.videos import Clip, read_clip, write_clip
from tests.evaluation.made import SIX, intact, tinted, write_study

NASTY = '<script>alert("1")</script> | & *x*'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells, a teacher with shorter videos, one prompt of no known world, and timed streams."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, {"none": intact, "ema": tinted}, frames=48, prompts=SIX)
    manifest = write_study(folder, {"teacher": intact}, frames=21, prompts=SIX)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for cell in ("none", "ema"):
        shutil.copy(folder / "videos" / f"{cell}-0.mkv", folder / "videos" / f"{cell}-9.mkv")
        lines.insert(0, lines[0] | {"cell": cell, "prompt": NASTY, "seed": 9, "video": f"videos/{cell}-9.mkv"})
    lines.sort(key=lambda line: ("none", "ema", "teacher").index(line["cell"]))
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    chunk = torch.zeros(1, 3, 3, 4, 4)
    speeds = measure([Cell(name=name, start=lambda: iter([chunk] * 4)) for name in ("ema", "none")], playback=8)
    write_speeds(folder / "speed.json", speeds)
    evaluate(manifest, metrics=["palette_drift", "net_displacement", "sink_similarity"], progress=False)
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return write_report(study, title="Sinks & <memories>").read_text(encoding="utf-8")


class Tags(html.parser.HTMLParser):
    """Collects what is opened, and checks that it is closed."""

    EMPTY = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(page: str) -> None:
    tags = Tags(page)
    assert not tags.open
    assert tags.links
    assert all(link.startswith(("data:image/", "data:video/")) for link in tags.links)
    assert page.count("<script>") == 1
    assert "link" not in tags.seen
    assert not re.search(r"url\(|@import|https?://", re.sub(r'src="data:[^"]*"', "", page))


def test_prompts_and_titles_are_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "<title>Sinks &amp; &lt;memories&gt;</title>" in page


def test_the_page_says_what_was_found(page: str) -> None:
    text = re.sub(r"<[^>]+>", " ", page)
    assert re.search(r"ema against none\s+paired, 6 prompts", text)
    assert re.search(r"worse on\s+palette drift, last third \(\+0\.\d+ \[\+0\.\d+, \+0\.\d+\]\)", text)
    assert re.search(r"teacher against none", text)
    for words in (
        "First clips only",
        "frozen first frame",
        "Only 7 prompts",
        "number 1 of the list",
        "Speed",
        "sha256",
    ):
        assert words in text


def test_the_same_results_give_the_same_bytes(study: Path, page: str) -> None:
    again = write_report(study / "results.json", study / "again.html", title="Sinks & <memories>")
    assert again.read_text(encoding="utf-8") == page
    assert (study / "again.md").read_bytes() == (study / "report.md").read_bytes()


def test_the_markdown_twin_has_even_tables(study: Path) -> None:
    write_report(study)
    text = (study / "report.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    tables = "\n".join(rows).split("\n| cell")
    assert len(tables) >= 3
    for table in text.split("\n\n"):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1
    assert "ema against none" in text
    assert "**worse**" in text


def test_another_reference_may_be_chosen(study: Path) -> None:
    other = write_report(study, study / "other.html", reference="ema").read_text(encoding="utf-8")
    assert "none against ema" in other
    with pytest.raises(ValueError, match="reference: 'x' is not a cell of these videos; allowed: none, ema, teacher"):
        write_report(study, study / "never.html", reference="x")
    assert not (study / "never.html").exists()


def test_one_cell_without_videos_and_speed_is_still_a_report(tmp_path: Path) -> None:
    manifest = write_study(tmp_path, {"only": intact}, frames=20)
    metrics = evaluate(manifest, metrics=["palette_drift"], baselines=False, progress=False)
    shutil.rmtree(tmp_path / "videos")
    text = write_report(metrics).read_text(encoding="utf-8")
    assert "Only one cell: nothing to compare." in text
    assert "none are shown" in text
    assert "frames per second" not in text
    assert not Tags(text).open


def test_the_terminal_gets_the_table_and_the_verdicts(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(study)
    shown = capsys.readouterr().out
    for words in ("none", "ema", "truth", "frozen", "ema against none (paired, 6 prompts)"):
        assert words in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file; `reward-forcing evaluate MANIFEST` writes it"),
        ("{", "not JSON"),
        ("[]", "the schema is None; allowed: 'reward-forcing/results/1'"),
        ('{"schema": "reward-forcing/metrics/9"}', "the schema is 'reward-forcing/metrics/9'"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_results(tmp_path)


def test_speed_rows_are_relative_to_the_reference() -> None:
    chunk = torch.zeros(1, 3, 3, 4, 4)
    timed = measure([Cell(name="a", start=lambda: iter([chunk]))], playback=8, repeats=1)
    figures: dict[str, Any] = dict.fromkeys(speed_figures(*timed), 2.0)
    cells = [{"cell": "ema", "figures": figures}, {"cell": "teacher", "figures": figures | {"fps": 0.5}}]
    rows = speed_rows({"cells": cells}, "ema")
    assert [row[:3] for row in rows] == [("ema", "2.0 (2.0–2.0)", "1.00 x"), ("teacher", "0.5 (2.0–2.0)", "0.25 x")]
    assert rows[0][4] == "2000 ms (2000 cold)"
    assert speed_rows({}, "ema") == []


def test_chunk_times_are_medians_over_runs() -> None:
    runs = [{"seconds": [1.0, 2.0]}, {"seconds": [3.0, 2.0]}, {"seconds": [2.0, 9.0]}]
    cells = [{"cell": "a", "runs": runs}, {"cell": "one", "runs": [{"seconds": [5.0]}]}]
    assert chunk_medians({"cells": cells}) == [{"a": [2.0, 2.0]}]
    assert chunk_medians({}) == []


def test_only_settings_that_differ_are_listed() -> None:
    assert settings({"sink": "ema", "decay": 0.9, "x": None}, ["sink", "x"]) == "sink = ema"
    assert settings({"sink": "ema"}, []) == "nothing particular"


def test_pictures_follow_the_videos(study: Path, page: str) -> None:
    """A changed video changes the page even though its scores are kept."""
    path = study / "videos" / "none-0.mkv"
    before = path.read_bytes()
    try:
        write_clip(path, Clip(255 - read_clip(path).frames, 8.0))
        assert write_report(study, study / "changed.html", title="Sinks & <memories>").read_text() != page
    finally:
        path.write_bytes(before)
