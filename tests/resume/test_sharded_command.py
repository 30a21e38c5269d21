"""The real command on two processes: stopped by a signal and continued, it ends as if it had never been stopped."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from tests import small_recipes
from tests.processes import begin, torchrun
from tests.resume.states import leaves

pytestmark = pytest.mark.slow

STEPS, EVERY, PATIENCE = 24, 4, 300
LOOKS = ["every=3", "prompts=[red circle any plain]", "sampler.chunks=2"]


def command(parts: Path, run: Path, *more: str) -> list[str]:
    """The paper's recipe with small parts, sharded, in bf16, showing videos as it goes."""
    given = small_recipes.overrides("reward_forcing_1_3b", parts, run, processes=2)
    kept = [one for one in given if not one.startswith(("callbacks.sample_videos", "callbacks.checkpoints"))]
    looks = [f"callbacks.sample_videos.{look}" for look in LOOKS]
    length = [f"trainer.max_steps={STEPS}", f"callbacks.checkpoints.every={EVERY}"]
    return ["-m", "reward_forcing.train", *kept, *looks, *length, "trainer.precision=bf16-mixed", *more]


def state(run: Path, scratch: Path) -> dict[str, Any]:
    """Everything in a run's last checkpoint, whole."""
    scratch.parent.mkdir(exist_ok=True)
    dcp_to_torch_save(run / "checkpoints/last.ckpt", scratch)
    held: dict[str, Any] = torch.load(scratch, weights_only=True)
    return held


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`whole`, and `stopped`, which got SIGTERM once its first checkpoint was there, and was continued."""
    folder = tmp_path_factory.mktemp("command")
    small_recipes.write_parts(folder / "parts")
    torchrun(*command(folder / "parts", folder / "whole"))
    started = begin(*command(folder / "parts", folder / "stopped"))
    waited = time.monotonic() + PATIENCE
    while not (folder / "stopped/checkpoints/last.ckpt").exists() and started.poll() is None:
        assert time.monotonic() < waited
        time.sleep(0.02)
    started.send_signal(signal.SIGTERM)
    said, errors = started.communicate(timeout=PATIENCE)
    (folder / "said.txt").write_text(said + errors)
    (folder / "halfway").write_text(str((folder / "stopped/checkpoints/last.ckpt").resolve().name))
    torchrun(*command(folder / "parts", folder / "stopped", "resume=auto"))
    return folder


def test_a_signal_ends_the_step_and_saves_it(runs: Path) -> None:
    said = (runs / "said.txt").read_text()
    step = int((runs / "halfway").read_text().removesuffix(".ckpt").removeprefix("step="))
    assert EVERY <= step < STEPS
    assert f"Stopped after step {step}. To continue: torchrun --nproc-per-node 2 -m reward_forcing.train" in said


def test_the_continued_run_ends_like_the_whole_one(runs: Path) -> None:
    """Weights, averages and both optimisers, bit for bit; so do the export and the videos shown on the way."""
    one, other = (leaves(state(runs / run, runs / f"{run}.pt")) for run in ("whole", "stopped"))
    assert len(one) > 100
    assert any("optimizer" in path for path in one)
    assert one == other
    exports = [load_file(runs / run / "student.safetensors") for run in ("whole", "stopped")]
    assert all(torch.equal(value, exports[1][name]) for name, value in exports[0].items())
    shown = [sorted((runs / run / "samples").glob("*.png")) for run in ("whole", "stopped")]
    assert len(shown[0]) == STEPS // 3
    assert [path.read_bytes() for path in shown[0]] == [path.read_bytes() for path in shown[1]]
