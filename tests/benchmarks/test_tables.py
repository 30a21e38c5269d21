"""The page of the benchmarks says what the files of results hold."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.__main__ import ON_CPU, ON_GPU
from benchmarks.common import RESULTS
from benchmarks.plots import MARK, PICTURE, digest, latency, series
from benchmarks.tables import LATENCY, PAGE, refreshed, told, write_page
from reward_forcing.study.writing import BLOCK, NOT_YET

AT = {"device": "a processor", "threads": 1, "clock_mhz": 2596, "load": 0.5, "torch": "2.15.0", "date": "2026-11-26T11"}
ROWS: dict[str, Any] = {
    "reference": {"exact": True, "chunk_seconds": 0.02, "stages": {"linear layers": 0.75}, "seconds_by_chunk": [1, 2]},
    "fast": {"exact": True, "chunk_seconds": 0.01, "stages": {"rest": 1.0}, "seconds_by_chunk": [1, 1]},
    "fast_bf16": {"exact": False, "chunk_seconds": 0.005, "off_by": 3e-3, "seconds_by_chunk": [1, 1]},
}


def written(folder: Path, name: str = "engines", **measured: Any) -> Path:
    path = folder / f"{name}.json"
    known = {"name": name, "command": f"python -m benchmarks {name}", "environment": {**AT, "commit": "abcdef" * 7}}
    path.write_text(json.dumps({**known, "measured": measured}))
    return path


def test_the_page_agrees_with_the_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert refreshed(text, RESULTS) == text, "python -m benchmarks tables"


def test_every_part_has_its_block_on_the_page() -> None:
    shown = {match[2] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
    assert shown == {*ON_CPU, *ON_GPU, LATENCY}


def test_the_picture_was_drawn_from_the_files() -> None:
    path, known = RESULTS / PICTURE, series(RESULTS)
    assert path.is_file() == bool(known), "python -m benchmarks tables"
    if known:
        assert path.stat().st_size < 300_000
        with Image.open(path) as picture:
            assert picture.info[MARK] == digest(known), "python -m benchmarks tables"


def test_exact_and_approximate_rows_stand_apart(tmp_path: Path) -> None:
    said = told(written(tmp_path, toy=ROWS))
    assert said.split("\n\n") == [
        "| toy | chunk |\n| --- | ---: |\n| reference | 20 ms |\n| fast | 10 ms |",
        "| toy, approximate | chunk | off by |\n| --- | ---: | ---: |\n| fast bf16 | 5 ms | 0.003 |",
        "| toy: stages | linear layers | rest |\n| --- | ---: | ---: |\n| reference | 75 % | – |\n| fast | – | 100 % |"
        "\n| fast bf16 | – | – |",
        "`python -m benchmarks engines`, 2026-11-26, a processor, 1 thread of the CPU, 2596 MHz, 0.5 processes wanted "
        "to run, torch 2.15.0, commit abcdefabcdef.",
    ]


def test_single_figures_share_a_table(tmp_path: Path) -> None:
    said = told(written(tmp_path, a_seconds=2.0, b={"x_bytes": 2e6, "late_to_early_bytes": 1.0}))
    assert "|  |  |\n| --- | ---: |\n| a | 2 s |" in said
    assert "| b |  |\n| --- | ---: |\n| x | 2 MB |\n| late to early bytes | 1 |" in said


def test_alike_groups_are_rows_of_one_table(tmp_path: Path) -> None:
    said = told(written(tmp_path, old={"a": 1.0, "b_seconds": 2.0}, new={"a": 3.0}, other={"c": 4.0}))
    assert "|  | a | b |\n| --- | ---: | ---: |\n| old | 1 | 2 s |\n| new | 3 | – |" in said
    assert "| other |  |\n| --- | ---: |\n| c | 4 |" in said


def test_figures_that_differ_in_their_unit_only_keep_it(tmp_path: Path) -> None:
    rows = {"one": {"chunk_seconds": 1.0, "chunk_gflop": 2.0}, "two": {"chunk_seconds": 1.0}}
    assert "| x | chunk seconds | chunk gflop |" in told(written(tmp_path, x=rows))


def test_a_block_may_show_some_parts_only(tmp_path: Path) -> None:
    path = written(tmp_path, a=1.0, b=2.0)
    assert "| b |" not in told(path, ["a"])
    page = "<!-- results:engines b -->\nold\n<!-- /results -->\n"
    assert "| b | 2 |" in refreshed(page, tmp_path)
    with pytest.raises(ValueError, match=r"engines.json: there is no 'c'; allowed: a, b"):
        told(path, ["c"])


def test_what_was_not_measured_is_not_printed(tmp_path: Path) -> None:
    text = refreshed(
        "<!-- results:engines -->\n| 1 |\n<!-- /results -->\n<!-- results:latency -->\n<!-- /results -->\n", tmp_path
    )
    assert text.count(NOT_YET) == 2
    assert not re.search(r"\d", text)
    assert latency(tmp_path) == b""


def test_every_number_of_a_table_is_in_its_file(tmp_path: Path) -> None:
    """Numbers the file does not hold would be other numbers than these."""
    said = told(written(tmp_path, "x", a=11.0, rows={"first": {"b": 22, "c": {"d": 33.0}}}))
    assert re.findall(r"\d+", said.rpartition("\n\n")[0]) == ["11", "22", "33"]


def test_a_page_and_its_picture_are_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Page\n\n<!-- results:latency -->\n<!-- /results -->\n")
    assert write_page(tmp_path, page) == [page], "there is nothing to draw"
    written(tmp_path, toy=ROWS, slopes={"operations": 3}, clock="x")
    assert write_page(tmp_path, page) == [page, tmp_path / PICTURE]
    assert f"(results/{PICTURE})" in page.read_text()
    assert refreshed(page.read_text(), tmp_path) == page.read_text()


def test_the_picture_shows_every_size_and_says_from_what_it_was_drawn(tmp_path: Path) -> None:
    written(tmp_path, toy=ROWS, wan_mini=ROWS)
    written(tmp_path, "gpu_engines", student={"fast": {"seconds_by_chunk": [0.2, 0.2]}})
    known = series(tmp_path)
    assert [*known] == ["toy, a processor", "wan mini, a processor", "student, a processor"]
    assert known["toy, a processor"]["reference"] == [1, 2]
    picture = Image.open(io.BytesIO(latency(tmp_path)))
    assert picture.info[MARK] == digest(known)
    assert picture.size[0] > 2 * picture.size[1]
    assert len(latency(tmp_path)) < 300_000
