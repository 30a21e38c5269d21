"""Tables say what was measured, a line a figure and a column a cell."""

import re

from evaluation.speed.tables import Sheet, sheets
from tests.evaluation.speed.results import known


def lines(start: str) -> dict[str, tuple[str, ...]]:
    """The lines of the table whose title starts so."""
    sheet = next(sheet for sheet in sheets(known()) if sheet.title.startswith(start))
    return {"": sheet.headers[1:], **{row[0]: row[1:] for row in sheet.rows}}


def test_there_is_a_table_for_everything_that_was_measured() -> None:
    titles = [sheet.title for sheet in sheets(known())]
    assert titles == [
        "Denoiser (times in milliseconds)",
        "Denoiser + codec (times in milliseconds)",
        "End to end (times in milliseconds)",
        "Playback, memory, energy",
        "Stages of a steady chunk (mean milliseconds)",
        "Work of denoiser (ceiling 20 GFLOP/s: products)",
        "Work of denoiser + codec (ceiling 20 GFLOP/s: products)",
        "The frames that were timed",
        "Settings",
    ]


def test_times_by_hand() -> None:
    whole = lines("End to end")
    assert whole[""] == ("student", "theirs|x")
    assert whole["frames a second, steady"] == ("4", "6")
    assert whole["slowest – fastest run"] == ("4 – 4", "6 – 6")
    assert whole["first frame, warm"] == ("1500", "500")
    assert whole["chunk p95"] == whole["chunk max"] == ("750", "500")
    assert whole["growth a chunk"] == ("+0.00 %", "+0.00 %")
    assert whole["frames a second, ramp"] == ("2", "–")
    assert lines("Denoiser (")[""] == ("student",), "others do not tell"
    assert lines("Denoiser (")["frames a second, steady"] == ("6",)


def test_playing_by_hand() -> None:
    told = lines("Playback")
    assert told["played at, after a buffer of"] == ("10/s, 0 s", "10/s, 0 s")
    assert told["stalls (seconds)"] == ("3 (1.35)", "3 (0.60)")
    assert told["buffer without stalls"] == ("1.35 s", "0.60 s")
    assert told["memory, a chunk"] == ("+0.0 KiB", "+1024.0 KiB")
    assert told["keys and values, planned"] == ("3 MiB", "–")
    assert told["text encoding"] == ("1000 ms", "0 ms")
    assert "energy a frame" not in told, "it was not measured"


def test_stages_and_work_by_hand() -> None:
    stages = lines("Stages")
    assert stages["denoise"] == ("500", "–")
    assert stages["stream"] == ("–", "500")
    work = lines("Work of denoiser (")
    assert work["GFLOP a chunk"] == ("2.667",)
    assert work["GFLOP/s"] == ("5.333",)
    assert work["of the ceiling"] == ("26.7 %",)
    assert work["of the published peak"] == ("13.3 %",)
    assert work["frames a second at the ceiling"] == ("22.5",)


def test_frames_and_settings() -> None:
    assert lines("The frames")["verdict"] == ("plausible", "plausible")
    assert lines("Settings")["sink"] == ("ema", "–")
    assert lines("Settings")["height"] == ("8", "8")


def test_markdown_tables_are_even() -> None:
    for sheet in sheets(known()):
        rows = [line for line in sheet.markdown().splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, sheet.title
    assert "theirs\\|x" in sheets(known())[2].markdown()


def test_a_table_of_nothing_is_left_out() -> None:
    bare = {"cells": [{**known()["cells"][1], "quality": {}}], "ceiling": None}
    titles = " ".join(sheet.title for sheet in sheets(bare))
    assert "Work" not in titles
    assert "frames that were timed" not in titles
    assert "Denoiser" not in titles


def test_a_sheet_as_markdown() -> None:
    sheet = Sheet("T", ("", "a"), (("x", "1"),))
    assert sheet.markdown() == "## T\n\n|  | a |\n| --- | ---: |\n| x | 1 |\n"
