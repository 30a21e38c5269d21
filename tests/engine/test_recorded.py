"""Recordings, made here by a recorder that does the work again into the same memory, as a CUDA graph does."""

from functools import partial

import pytest
import torch
from torch import Tensor

from reward_forcing.engine import recorded
from reward_forcing.engine.fast import Fast, FastPasses
from reward_forcing.engine.recorded import Recorded, Recorder, Work, recorded_on
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink
from reward_forcing.rollout import Rollout, generate
from reward_forcing.seeding import VideoNoise
from tests import tiny

FIRST, SECOND = tiny.prompts(), tiny.prompts(seed=1)
EMA = EMASink(frames=2, decay=0.6)


def in_place() -> Recorder:
    """As if on a GPU: the result lies where it lay before."""

    def record(work: Work) -> Work:
        result = work()
        return lambda: result.copy_(work())

    return record


def noting(made: list[Work]) -> Recorder:
    """The same, and what was recorded."""
    record = in_place()

    def noted(work: Work) -> Work:
        made.append(work)
        return record(work)

    return noted


def failing() -> Recorder:
    def record(work: Work) -> Work:  # noqa: ARG001
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    return record


class Counting:
    """Doubles, and counts how often it is called from outside a recording."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, given: Tensor) -> Tensor:
        self.calls += 1
        return given * 2


def frozen_in(result: Work) -> Work:
    """A recording that does not do the work: it counts how often it is played."""
    made = result()
    return lambda: made.add_(1)


def test_work_is_done_once_then_recorded_then_played() -> None:
    passes, work = Recorded(lambda: frozen_in), Counting()
    results = [float(passes.run("key", FIRST, torch.tensor(3.0), work)) for _ in range(4)]
    assert results == [6, 7, 8, 9]
    assert work.calls == 2


def test_results_stay_and_inputs_are_taken_anew() -> None:
    passes, given = Recorded(in_place), [torch.tensor(float(number)) for number in range(5)]
    results = [passes.run("key", FIRST, one, lambda it: it * 2) for one in given]
    assert torch.stack(results).tolist() == [0, 2, 4, 6, 8]


def test_other_keys_and_other_prompts_are_other_recordings() -> None:
    made: list[Work] = []
    passes = Recorded(partial(noting, made))
    for prompt, recordings in ((FIRST, 2), (SECOND, 4), (FIRST, 6)):
        for _ in range(3):
            for key in ("one", "other"):
                assert passes.run((key,), prompt, torch.ones(()), lambda it: it + 1) == 2
        assert len(made) == recordings


def test_where_recording_fails_work_is_done_and_it_says_so_once() -> None:
    passes, work = Recorded(failing), Counting()
    passes.run("key", FIRST, torch.ones(()), work)
    with pytest.warns(UserWarning, match=r"engine.compile: no CUDA graph \(operation not permitted\): kernels are"):
        assert passes.run("key", FIRST, torch.ones(()), work) == 2
    assert passes.run("key", FIRST, torch.ones(()), work) == 2


def test_a_cpu_has_none() -> None:
    assert recorded_on("cpu") is None
    assert isinstance(recorded_on("cuda"), Recorded)


def video(engine: Engine, window: int | None = 6, *, switch: str = "cross_only") -> Tensor:
    policy = MemoryPolicy(sink=EMA, window_frames=window, chunk_frames=2)
    how = Rollout(levels=(1.0, 0.9, 0.6), memory=policy, engine=engine)
    noise, student = VideoNoise((("video", 0),), (2, 2, 4, 4)), tiny.network().requires_grad_(requires_grad=False)
    prompts = (FIRST, SECOND, FIRST)
    return generate(how.stream(student, noise, lambda chunk: prompts[chunk // 8], chunks=range(20), on_switch=switch))


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Recordings on this CPU, of uncompiled arithmetic; what has been recorded."""
    made: list[Work] = []
    monkeypatch.setattr(recorded, "RECORDERS", {"cpu": partial(noting, made)})
    monkeypatch.setattr("reward_forcing.engine.compiled.uncompilable", lambda device: f"nothing on {device}")
    return made


@pytest.mark.filterwarnings("ignore:engine.compile. nothing on cpu. passes run uncompiled")
@pytest.mark.parametrize("switch", ["cross_only", "recache"])
def test_streams_of_recordings_are_those_of_the_reference(plays: list[Work], switch: str) -> None:
    """Under three prompts, with everything remembered being forgotten and filled again at their switches."""
    found = video(Fast(compile="reduce-overhead"), switch=switch)
    torch.testing.assert_close(found, video(Reference(), switch=switch), rtol=1e-4, atol=1e-4)
    assert 6 <= len(plays) <= 12


@pytest.mark.filterwarnings("ignore:engine.compile. nothing on cpu. passes run uncompiled")
@pytest.mark.parametrize(
    ("engine", "window"),
    [
        (Fast(compile="default"), 6),
        (Fast(compile="reduce-overhead"), None),
        (Fast(compile="reduce-overhead", context_pass=False), 6),
    ],
    ids=str,
)
def test_what_never_stays_the_same_is_not_recorded(plays: list[Work], engine: Fast, window: int | None) -> None:
    video(engine, window)
    assert not plays


def test_uncompiled_passes_are_not_recorded(plays: list[Work]) -> None:
    assert isinstance(Fast().begin(tiny.network(), MemoryPolicy(sink=EMA, window_frames=6, chunk_frames=2)), FastPasses)
    video(Fast())
    assert not plays
