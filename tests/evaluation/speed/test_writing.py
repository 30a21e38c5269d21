"""What a benchmark leaves, and what may be put beside it."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.speed.figures import Timed, figures, latencies
from evaluation.speed.writing import SCHEMA, beside, content, page, read_speeds, write_all, write_speeds
from tests.evaluation.speed.results import known
from tests.evaluation.speed.scripted import World


def test_figures_are_written_with_all_runs(tmp_path: Path) -> None:
    world = World()
    speeds = world.measure(world.cell("a", [0.1, 0.2, 0.5, 0.5], ramp=2))
    write_speeds(tmp_path / "speed.json", speeds, {"batch": 1})
    written = read_speeds(tmp_path)
    (cell,) = written["cells"]
    assert written["schema"] == SCHEMA == "reward-forcing/speed/2"
    assert cell["figures"]["fps"] == pytest.approx(6)
    assert cell["figures"]["realtime"] == pytest.approx(0.6)
    assert cell["figures"].keys() == figures(speeds[0]).keys()
    assert cell["scopes"].keys() == {"end_to_end"}
    assert cell["scopes"]["end_to_end"].keys() == latencies(speeds[0]).keys()
    assert len(cell["runs"]) == 3
    assert cell["runs"][0]["frames"] == [3, 3, 3, 3]
    assert cell["runs"][0]["digest"] == cell["quality"]["digest"]
    assert written["environment"]["batch"] == 1
    assert written["environment"]["threads"] == torch.get_num_threads()


def test_every_scope_is_told_of() -> None:
    student, theirs = known()["cells"]
    assert [*student["scopes"]] == ["denoiser", "codec", "end_to_end"]
    assert [*theirs["scopes"]] == ["end_to_end"]
    assert [*student["shares"]] == ["denoiser", "codec", "end_to_end"]
    assert theirs["shares"] == {}
    assert student["memory_planned"] == 3 * 2**20
    assert student["fingerprint"] != known(sink="none")["cells"][0]["fingerprint"]
    assert student["fingerprint"] == known()["cells"][0]["fingerprint"]


def test_sizes_that_were_forced_side_by_side_are_remarked() -> None:
    world = World()
    speeds = world.measure(world.cell("small", [1.0]), world.cell("large", [1.0], size=16), force=True)
    told = content([Timed(speed) for speed in speeds])
    assert "small and large differ in height (8, 16), width (8, 16)" in told["remarks"]
    assert [cell["settings"]["height"] for cell in told["cells"]] == [8, 16]


def test_the_scopes_that_are_told_of_may_be_chosen() -> None:
    world = World()
    (speed,) = world.measure(world.student())
    (cell,) = content([Timed(speed)], scopes=["codec"])["cells"]
    assert [*cell["scopes"]] == ["codec"]
    assert cell["figures"]["first_frame_s"] == pytest.approx(1.5), "figures are always those of a client"
    (theirs,) = world.measure(world.cell("a", [1.0]))
    (cell,) = content([Timed(theirs)], scopes=["denoiser"])["cells"]
    assert [*cell["scopes"]] == ["end_to_end"], "nothing else is known of it"


def test_leaks_are_remarked() -> None:
    assert any("theirs|x: memory grows by 1.00 MiB a chunk" in words for words in known()["remarks"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such file; `reward-forcing benchmark` writes one"),
        ("{", "not JSON"),
        ("[]", "the schema is None; allowed: 'reward-forcing/speed/2'"),
        ('{"schema": "reward-forcing/speed/1"}', "the schema is 'reward-forcing/speed/1'"),
    ],
)
def test_other_files_are_refused(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "speed.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_speeds(tmp_path)


def test_a_folder_gets_numbers_a_page_and_charts(tmp_path: Path) -> None:
    write_all(tmp_path, known())
    assert json.loads((tmp_path / "speed.json").read_text()) == known()
    text = (tmp_path / "speed.md").read_text()
    for target in re.findall(r"\]\((charts/\w+\.svg)\)", text):
        assert (tmp_path / target).stat().st_size > 1000
    assert len(list((tmp_path / "charts").iterdir())) == 4


def test_the_page_says_what_the_numbers_contain() -> None:
    text = page(known())
    for words in ("end to end: text encoding", "## Remarks", "memory grows", "frames a second, steady", "sources "):
        assert words in text
    assert "None." in page({**known(), "remarks": []})


def changed(where: str, key: str, value: Any) -> dict[str, Any]:
    """A benchmark in which one thing is different."""
    other = copy.deepcopy(known())
    (other["environment"] if where == "environment" else other["cells"][0]["settings"])[key] = value
    return other


def test_earlier_rows_stand_beside_new_ones() -> None:
    both = beside(known(), known(), "old.json", force=False)
    assert [cell["cell"] for cell in both["cells"]] == [
        "student",
        "theirs|x",
        "student (old.json)",
        "theirs|x (old.json)",
    ]
    assert both["remarks"] == [*known()["remarks"], *(f"old.json: {words}" for words in known()["remarks"])]


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (changed("environment", "threads", 64), "now and earlier (old) differ in threads (1, 64)"),
        (changed("environment", "torch", "1.0"), "differ in torch ("),
        (changed("environment", "code", "0.0.1"), "differ in code ("),
        (changed("settings", "sink", "none"), "student now and student earlier (old) differ in sink (ema, none)"),
        (changed("settings", "height", 480), "differ in height (8, 480)"),
    ],
)
def test_rows_of_other_fingerprints_are_refused_unless_forced(earlier: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        beside(known(), earlier, "old", force=False)
    told = beside(known(), earlier, "old", force=True)
    assert len(told["cells"]) == 4
    assert any(said.rsplit(" differ", maxsplit=1)[-1] in words for words in told["remarks"])


def test_a_cell_of_another_name_may_have_other_settings_but_not_another_size() -> None:
    other = changed("settings", "sink", "none")
    other["cells"][0]["cell"] = "another"
    assert len(beside(known(), other, "old", force=False)["cells"]) == 4
    other["cells"][0]["settings"]["width"] = 832
    with pytest.raises(ValueError, match=re.escape("width (8, 832)")):
        beside(known(), other, "old", force=False)
