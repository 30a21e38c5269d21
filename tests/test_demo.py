"""The main job on the shipped checkpoints, shortened; and that it goes on where it was stopped."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from reward_forcing import demo
from reward_forcing.study.prompts import study_prompts
from reward_forcing.videos import read_clip

CELLS = (*demo.SINKS, demo.TEACHER)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished, shortened demo."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert demo.main(out=folder, fast=True) == 0
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
class TestFinishedDemo:
    def test_everything_promised_is_there(self, finished: Path) -> None:
        for name in ("student.safetensors", "config.yaml", "results.json", "speed.json", "report.html", "report.md"):
            assert (finished / name).stat().st_size, name
        assert list((finished / "tensorboard").rglob("events.*"))
        for ending in ("mkv", "gif", "png"):
            assert len(list((finished / "videos").glob(f"*.{ending}"))) == len(CELLS) * demo.FAST.prompts

    def test_all_cells_show_the_same_prompts_at_their_length(self, finished: Path) -> None:
        entries = [json.loads(line) for line in (finished / "manifest.jsonl").read_text().splitlines()]
        assert Counter(entry["cell"] for entry in entries) == dict.fromkeys(CELLS, demo.FAST.prompts)
        for cell in CELLS:
            mine = [entry for entry in entries if entry["cell"] == cell]
            assert [entry["prompt"] for entry in mine] == study_prompts(demo.FAST.prompts)
            frames = 21 if cell == demo.TEACHER else demo.FAST.frames
            assert {entry["metadata"]["frames"] for entry in mine} == {frames}

    def test_the_report_speaks_of_every_cell_and_needs_nothing_else(self, finished: Path) -> None:
        page = (finished / "report.html").read_text(encoding="utf-8")
        assert all(cell in page for cell in CELLS)
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert 'src="data:' in page

    def test_again_does_nothing_twice(self, finished: Path) -> None:
        kept = ("student.safetensors", "speed.json", "manifest.jsonl", "scores.jsonl")
        before = {name: (finished / name).stat().st_mtime_ns for name in kept}
        assert demo.main(out=finished, fast=True) == 0
        touched = [name for name in kept if (finished / name).stat().st_mtime_ns != before[name]]
        assert touched in ([], ["scores.jsonl"])  # opened for appending, nothing appended
        assert len(load_file(finished / "student.safetensors")) > 0

    def test_a_lost_video_is_made_again(self, finished: Path) -> None:
        assert demo.is_complete(finished, "static", demo.FAST.prompts)
        video = next((finished / "videos").glob("static*.mkv"))
        content = read_clip(video).frames
        video.unlink()
        assert not demo.is_complete(finished, "static", demo.FAST.prompts)
        demo.main(out=finished, fast=True)
        assert torch.equal(read_clip(video).frames, content)

    def test_a_shorter_one_is_not_in_the_way_of_a_whole_one(self) -> None:
        assert demo.FAST.folder != demo.FULL.folder == Path("runs/demo")

    def test_another_seed_in_the_same_folder_is_refused(self, finished: Path) -> None:
        with pytest.raises(ValueError, match="seed"):
            demo.main(out=finished, fast=True, seed=1)

    def test_the_end_says_where_to_look_and_what_next(self, finished: Path) -> None:
        console = Console(record=True, width=200)
        demo.report(finished, console)
        said = console.export_text()
        assert str(finished / "report.html") in said
        assert "reward-forcing train -m sink=none,static,ema loss=dmd,re_dmd" in said


def test_the_full_demo_is_what_the_readme_promises() -> None:
    assert demo.FULL.prompts >= 24
    assert demo.FULL.frames >= 120
    assert demo.SINKS == ("none", "static", "ema")


def test_nothing_is_complete_where_nothing_was_made(tmp_path: Path) -> None:
    assert not demo.is_complete(tmp_path, "ema", 3)
