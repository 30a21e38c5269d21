"""The job as a whole, on the shipped toy student, with loose checks; and what it refuses before it starts."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from evaluation.speed.benchmark import EXPORT, Order, benchmark, busy, ready
from reward_forcing.composition.places import shipped
from reward_forcing.streaming import Equipment, MemoryWish

THEIRS = """
import torch

def start():
    for index in range(6):
        waves = torch.sin(torch.linspace(0, 6, 32) + index)
        yield (waves[:, None] * waves).expand(1, 3, 3, 32, 32) + 0.1 * torch.randn(1, 3, 3, 1, 1)
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder of a small benchmark of ours and theirs, and what the terminal got."""
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "strangers.py").write_text(THEIRS)
    before, said = Path.cwd(), io.StringIO()
    os.chdir(folder)
    try:
        order = Order(
            export=str(shipped(EXPORT)),
            wishes=[MemoryWish(sink="none"), MemoryWish(sink="ema", decay=0.5)],
            streams=["strangers:start"],
            chunks=6,
            repeats=2,
        )
        path = benchmark(order, folder / "out", Console(file=said, width=100))
        assert path == folder / "out" / "speed.json"
        yield folder / "out", said.getvalue()
    finally:
        os.chdir(before)
        sys.modules.pop("strangers", None)


@pytest.fixture(scope="module")
def known(done: tuple[Path, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done[0] / "speed.json").read_text())
    return found


def test_all_cells_are_there_with_their_scopes(known: dict[str, Any]) -> None:
    assert [cell["cell"] for cell in known["cells"]] == ["none", "ema decay=0.5", "strangers:start"]
    assert [len(cell["scopes"]) for cell in known["cells"]] == [3, 3, 1]
    for cell in known["cells"]:
        assert len(cell["runs"]) == 2
        assert all(run["frames"] == [3] * 6 for run in cell["runs"])


def test_wider_scopes_are_slower(known: dict[str, Any]) -> None:
    for cell in known["cells"][:2]:
        rates = [cell["scopes"][scope]["fps"] for scope in ("denoiser", "codec", "end_to_end")]
        assert rates[0] > rates[1] > rates[2] > 0
        f = cell["figures"]
        assert f["chunk_p50_s"] <= f["chunk_p90_s"] <= f["chunk_p95_s"] <= f["chunk_p99_s"] <= f["chunk_max_s"]
        assert cell["ramp"] == 3


def test_work_and_ceiling_are_told_of_ours(known: dict[str, Any]) -> None:
    assert known["ceiling"]["measured"] > 1e9
    for cell in known["cells"][:2]:
        assert 0 < cell["shares"]["denoiser"]["share_of_ceiling"] < 1
        assert cell["shares"]["codec"]["flops_per_chunk"] > cell["shares"]["denoiser"]["flops_per_chunk"]
        assert cell["memory_planned"] > 0
    assert known["cells"][2]["shares"] == {}


def test_the_toy_students_frames_are_plausible(known: dict[str, Any]) -> None:
    for cell in known["cells"][:2]:
        assert cell["quality"]["verdict"] == "plausible"
        assert cell["quality"]["presence"] > 0.5
    assert any("strangers:start: the frames of its runs are not the same" in words for words in known["remarks"])


def test_the_terminal_gets_tables_and_remarks(done: tuple[Path, str]) -> None:
    for words in (
        "ema decay=0.5",
        "Denoiser + codec",
        "End to end",
        "of the ceiling",
        "only 2 runs count",
        "Energy: not",
    ):
        assert words in done[1]


def test_the_page_and_the_charts_are_there(done: tuple[Path, str]) -> None:
    text = (done[0] / "speed.md").read_text()
    assert "strangers:start" in text
    assert "loading_s" in text
    assert {path.stem for path in (done[0] / "charts").iterdir()} == {"latency", "memory", "stages", "distribution"}


def test_a_second_benchmark_stands_beside_the_first(done: tuple[Path, str], tmp_path: Path) -> None:
    again = Order(chunks=4, repeats=1, against=[done[0]], scopes=["end_to_end"], playback=16)
    path = benchmark(again, tmp_path, Console(file=io.StringIO()))
    found = json.loads(path.read_text())
    assert [cell["cell"] for cell in found["cells"]][:2] == ["ema", f"none ({done[0]})"]
    assert found["cells"][0]["scopes"].keys() == {"end_to_end"}
    assert found["cells"][0]["playback"] == 16


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"chunks": 0}, "chunks is 0; it must be at least 1"),
        ({"repeats": -1}, "repeats is -1"),
        ({"warmups": 0}, "warmups is 0"),
        ({"playback": 0.0}, "playback is 0.0 and buffer 0.0; allowed: above 0, and at least 0"),
        ({"buffer": -1.0}, "buffer -1.0"),
        ({"scopes": ["teapot"]}, "there is no scope 'teapot'; allowed: denoiser, codec, end_to_end"),
    ],
)
def test_impossible_orders_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Order(**values)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order(export="nowhere.safetensors"), "nowhere.safetensors is not there"),
        (Order(streams=["nowhere:start"]), "'nowhere' cannot be imported"),
        (Order(wishes=[MemoryWish(sink="ema"), MemoryWish(sink="ema")]), "asked for twice; different ones: ema"),
        (Order(prompt="a fox"), "a fox"),
        (Order(against=[Path("nowhere.json")]), "nowhere.json: there is no such file"),
        (Order(equipment=Equipment(codec="nowhere")), "nowhere"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_timed(order: Order, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        benchmark(order, tmp_path / "out", Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()


def test_the_shipped_student_is_timed_unless_there_is_something_else() -> None:
    assert Order().source == str(shipped(EXPORT))
    assert Path(str(Order().source)).is_file()
    assert Order(streams=["a:b"]).source is None
    assert Order(export="x", streams=["a:b"]).source == "x"


def test_cells_share_one_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three ways to remember with 14B parameters must not take three times their memory."""
    timed: list[Any] = []

    def student(name: str, streamer: Any, *_: Any, **__: Any) -> Any:
        timed.append(streamer)
        if name == "static":
            raise ValueError("enough")

    monkeypatch.setattr("evaluation.speed.benchmark.student_cell", student)
    with pytest.raises(ValueError, match="enough"):
        benchmark(Order(wishes=[MemoryWish(sink="ema"), MemoryWish(sink="static")]), tmp_path)
    assert timed[0].network is timed[1].network
    assert timed[0].codec is timed[1].codec
    assert timed[0].rollout != timed[1].rollout


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_tells_its_memory(tmp_path: Path) -> None:
    order = Order(equipment=Equipment(device="cuda"), chunks=6, repeats=2)
    found = json.loads(benchmark(order, tmp_path, Console(file=io.StringIO())).read_text())
    (cell,) = found["cells"]
    assert cell["figures"]["memory_held"] <= cell["figures"]["memory_allocated"] <= cell["figures"]["memory_reserved"]
    assert cell["quality"]["verdict"] == "plausible"
    assert found["environment"]["driver"] != "none"
    assert not any("wall clock" in words for words in found["remarks"])


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ready("cpu") == "cpu"
    with pytest.raises(ValueError, match="device is cuda, but there is no NVIDIA GPU; allowed: cpu"):
        ready("cuda")


def test_a_busy_machine_is_remarked() -> None:
    cores = os.cpu_count() or 1
    assert busy({"load_before": 0.0}) == []
    (words,) = busy({"load_before": 3.0 * cores})
    assert f"{3 * cores:g} processes wanted {cores} cores" in words
