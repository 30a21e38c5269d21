"""Passes that repeat exactly: run once as they are, recorded the second time, then played again.

On a GPU a recording is a CUDA graph: all kernels of a pass in one launch. It reads and writes the same memory whenever
it is played, so recordings are known by where everything lies.
"""

import warnings
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import torch
from torch import Tensor

Work: TypeAlias = Callable[[], Tensor]
Recorder: TypeAlias = Callable[[Work], Work]
"""Makes of some work what does it again, on the same memory."""


class Recording(NamedTuple):
    """A pass that can be played.

    Args:
        given: where its input is put.
        play: does it; the result is overwritten the next time.
    """

    given: Tensor
    play: Work


class Recorded:
    """The recordings of passes under one prompt.

    Args:
        recorder: makes what records; another one for every prompt.
    """

    def __init__(self, recorder: Callable[[], Recorder]) -> None:
        self.recorder = recorder
        self.record: Recorder | None = None
        self.prompt: Tensor | None = None
        self.known: dict[Hashable, Recording | None] = {}

    def run(self, key: Hashable, prompt: Tensor, given: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
        """The result of some work.

        Args:
            key: all that the work depends on besides the prompt and its input, and where that lies.
            prompt: recordings made under another one are thrown away.
            given: its input.
            work: what is to be done with it.
        """
        if prompt is not self.prompt:
            self.prompt, self.known, self.record = prompt, {}, self.recorder()
        if key not in self.known or self.record is None:
            self.known[key] = None
            return work(given)
        recording = self.known[key] or self._recorded(self.record, given.clone(), work)
        self.known[key] = recording
        if recording is None:
            return work(given)
        recording.given.copy_(given)
        return recording.play().clone()

    def _recorded(self, record: Recorder, given: Tensor, work: Callable[[Tensor], Tensor]) -> Recording | None:
        try:
            return Recording(given, record(partial(work, given)))
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"engine.compile: no CUDA graph ({reason}): kernels are launched one by one", stacklevel=4)
            self.record = None
            return None


def cuda_graphs() -> Recorder:
    """Records on the GPU, all in one pool of memory: a result must be taken before the next recording is played."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        # the stream is put back even where recording fails; other threads may go on with what they do
        here = torch.cuda.stream(torch.cuda.current_stream())
        with here, torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            result = work()
        return partial(_played, graph, result)

    return record


def _played(graph: torch.cuda.CUDAGraph, result: Tensor) -> Tensor:
    graph.replay()
    return result


RECORDERS: Final[Mapping[str, Callable[[], Recorder]]] = {"cuda": cuda_graphs}
"""By kind of device; there is none where launches cost nothing."""


def recorded_on(device: str) -> Recorded | None:
    """Recordings for a kind of device, if it has any."""
    return Recorded(RECORDERS[device]) if device in RECORDERS else None
