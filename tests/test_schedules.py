import json
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.manifest import read_manifest
from reward_forcing.generate import generate
from reward_forcing.schedules import Scheduled, place, read_schedules, requests
from reward_forcing.videos import read_clip
from tests import small_runs
from tests.test_streaming import PROMPTS, notes, write_student

LINES = [
    {"prompt": " a fox "},
    {"prompt": "a fox", "seed": 3, "schedule": [{"at": "2.5s", "prompt": "a bear "}, {"at": 60, "prompt": "a hen"}]},
]


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_lines_are_videos(tmp_path: Path) -> None:
    assert read_schedules(written(tmp_path, *LINES)) == (
        Scheduled(prompt="a fox"),
        Scheduled(prompt="a fox", seed=3, switches={2.5: "a bear", 60: "a hen"}),
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"seed": 1}, "allowed: an object with a prompt, and perhaps seed and schedule; it is {'seed': 1}"),
        ({"prompt": " "}, "allowed: an object with a prompt"),
        ({"prompt": "x", "sed": 1}, "allowed: an object with a prompt"),
        ({"prompt": "x", "seed": "1"}, "seed is '1'; allowed: a whole number"),
        ({"prompt": "x", "schedule": [{"at": 3}]}, 'schedule is not like [{"at": "5s"'),
        ({"prompt": "x", "schedule": [{"at": "soon", "prompt": "y"}]}, "a switch is at 'soon'; allowed: a latent"),
        ({"prompt": "x", "schedule": [{"at": "0s", "prompt": "y"}]}, "a switch is at '0s'; allowed: a latent frame"),
        (LINES[1], "has prompt and seed of line 1; change one"),
    ],
)
def test_other_lines_are_refused(tmp_path: Path, line: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"prompts: .*prompts.jsonl, line 3") as error:
        read_schedules(written(tmp_path, LINES[1], line))
    assert said in str(error.value)


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prompts.jsonl is empty; write one video a line"):
        read_schedules(written(tmp_path))
    with pytest.raises(ValueError, match=r"none.jsonl is not a file"):
        read_schedules(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="prompts is empty"):
        requests([], [], seeds=[0], switches={})


def test_places() -> None:
    assert (place("60"), place("2.5s")) == (60, 2.5)
    assert isinstance(place("5s"), float), "seconds are told from frames by their type"
    for text in ("-1", "5.5", "infs", "nans", ""):
        with pytest.raises(ValueError, match="allowed: a latent frame"):
            place(text)


def test_what_shares_seeds_and_switches_is_made_together() -> None:
    scheduled = [
        Scheduled(prompt="c", seed=0, switches={3: "x"}),
        Scheduled(prompt="d", seed=0, switches={3: "x"}),
        Scheduled(prompt="e", switches={3: "y"}),
        Scheduled(prompt="f"),
    ]
    found = requests(["a", "b"], scheduled, seeds=[0, 1], switches={9: "z"}, frames=7)
    assert [(one.prompts, tuple(one.seeds), dict(one.switches)) for one in found] == [
        (["a", "b", "f"], (0, 1), {9: "z"}),
        (["c", "d"], (0,), {3: "x"}),
        (["e"], (0, 1), {3: "y"}),
    ]
    assert {one.frames for one in found} == {7}
    with pytest.raises(ValueError, match=r"\('a', 1\) is asked for twice"):
        requests(["a"], [Scheduled(prompt="a", seed=1)], seeds=[0, 1], switches={})


def test_each_video_follows_its_own_schedule(tmp_path: Path) -> None:
    small_runs.write_exports(tmp_path)
    student = write_student(tmp_path / "student.safetensors", notes())
    plain, scheduled = requests(
        PROMPTS[:1], [Scheduled(prompt=PROMPTS[1], switches={0.5: PROMPTS[0]})], seeds=[0], switches={}, frames=12
    )
    paces = generate(student, tmp_path / "out", [plain, scheduled])
    assert paces["ema"].frames == 24
    both = {entry.prompt: entry for entry in read_manifest(tmp_path / "out/manifest.jsonl")}
    assert [both[prompt].metadata["switches"] for prompt in PROMPTS] == [{}, {"4": PROMPTS[0]}]
    generate(student, tmp_path / "unswitched", requests(PROMPTS, [], seeds=[0], switches={}, frames=12))
    other = {
        entry.prompt: read_clip(entry.video).frames for entry in read_manifest(tmp_path / "unswitched/manifest.jsonl")
    }
    first, second = (read_clip(both[prompt].video).frames for prompt in PROMPTS)
    assert (first.int() - other[PROMPTS[0]].int()).abs().max() <= 1, "a batch changes rounding at most"
    assert not torch.equal(second[3:], other[PROMPTS[1]][3:])
    again = generate(student, tmp_path / "out", [plain, scheduled])
    assert (again["ema"].frames, again["ema"].skipped) == (0, 2)
