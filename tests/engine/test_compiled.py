import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.engine.arithmetic import PLAIN
from reward_forcing.engine.compiled import MODES, WITH_GRAPHS, arithmetic_for, turned_in_pairs
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.rotated import Turning, turned
from tests import tiny

HERE = Path(__file__).parent
STREAMS = """
import torch
from reward_forcing.engine.fast import Fast
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.memory.sinks.static import StaticSink
from reward_forcing.rollout import Rollout, always, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

@torch.inference_mode()
def video(sink, **how):
    rollout = Rollout(
        levels=(1.0, 0.6),
        memory=MemoryPolicy(sink=sink, window_frames=6, chunk_frames=2),
        engine=Fast(attention="sdpa", **how),
    )
    student, noise = tiny.network(), VideoNoise((("video", 0),), (2, 2, 4, 4))
    return generate(rollout.stream(student, noise, always(tiny.prompts()), chunks=range(5)))

for sink in (StaticSink(frames=2), EMASink(frames=2, decay=0.6)):
    plain, compiled = video(sink), video(sink, fuse_context=False, compile="default")
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-4)
print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a script says in a process of its own, where shapes are not checked, as nothing could be compiled then."""
    told = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_streams_are_the_plain_ones() -> None:
    """Under two sinks, from an empty memory to one that forgets; what is compiled serves all of it."""
    done = python(STREAMS)
    assert done.returncode == 0, done.stderr
    assert 5 <= int(done.stdout) <= 8, "the four functions and the trial, not each of them for every layer or chunk"


def test_without_a_compiler_passes_run_uncompiled_and_it_says_so(tmp_path: Path) -> None:
    script = "from reward_forcing.engine.compiled import *; print(arithmetic_for('default', 'cpu') is PLAIN)"
    done = python(script, CXX="no-compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
    assert done.stdout.split() == ["True"], done.stderr
    assert "engine.compile: " in done.stderr
    assert "No working C++ compiler found" in done.stderr
    assert ": passes run uncompiled" in done.stderr


def test_nothing_is_compiled_unless_asked_for() -> None:
    assert arithmetic_for(mode=False, device="cpu") is PLAIN


def test_graphs_are_among_the_modes() -> None:
    assert set(WITH_GRAPHS) < set(MODES)
    assert all("cudagraphs" not in torchs or "no-cudagraphs" in torchs for torchs in MODES.values())


@pytest.mark.parametrize("mode", ["reduce_overhead", "true", "", True])
def test_other_modes_are_refused(mode: str | bool) -> None:
    with pytest.raises(ValueError, match=r"engine.compile is .*; allowed: false, default, reduce-overhead, max-auto"):
        Fast(compile=mode)


@pytest.mark.parametrize("parts", [(), (2,)])
def test_turning_in_pairs_is_turning(parts: tuple[int, ...]) -> None:
    """With and without queries beside keys."""
    states = tiny.normal(2, 12, *parts, 3, 8)
    turns = Turning(2, 3, 8, torch.device("cpu")).following(6, 12)
    turns = turns[:, None] if parts else turns
    assert_close(turned_in_pairs(states, torch.view_as_real(turns)), turned(states, turns))
