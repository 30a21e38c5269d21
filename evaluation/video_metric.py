"""Measures as torchmetrics."""

from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchmetrics import Metric

from evaluation.evidence import look
from evaluation.measure import Measure, choose


class VideoMetric(Metric):
    """Mean of a measure over videos, with the score of every video kept: a torchmetrics metric for training loops.

    Videos of several processes are joined when it computes; a video that came twice (padding samplers repeat some)
    counts once, if indices are given.

    Args:
        measure: the measure or its name.
    """

    full_state_update = False
    is_differentiable = False
    scores: list[Tensor] | Tensor
    indices: list[Tensor] | Tensor

    def __init__(self, measure: Measure | str) -> None:
        super().__init__()
        self.measure = choose([measure])[measure] if isinstance(measure, str) else measure
        # Lists of other than 1-D float32 tensors fail when a process has no video.
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("indices", [], dist_reduce_fx="cat")

    def update(
        self,
        videos: UInt8[Tensor, "clip frame 3 height width"],
        prompts: Sequence[str],
        indices: Sequence[int] | None = None,
    ) -> None:
        """Score videos.

        Args:
            videos: levels 0 to 255.
            prompts: one a video.
            indices: one number a video, the same for the same video on every process; with one process they count up
                by default.

        Raises:
            ValueError: several processes and no indices: videos could not be told apart.
        """
        if indices is None and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
            raise ValueError("VideoMetric.update: indices is None with several processes; allowed: one number a video")
        first = sum(len(part) for part in self.scores)
        numbers = range(first, first + len(videos)) if indices is None else indices
        assert isinstance(self.scores, list)
        assert isinstance(self.indices, list)
        self.scores.append(self.measure(look(videos, prompts)))
        self.indices.append(torch.tensor(list(numbers), dtype=torch.float32))

    def per_video(self) -> dict[int, float]:
        """The score of every video by its index."""
        scores, indices = (_joined(state) for state in (self.scores, self.indices))
        return {int(i): float(s) for i, s in sorted(zip(indices.tolist(), scores.tolist(), strict=True))}

    def compute(self) -> Tensor:
        """Mean over videos, leaving out those the metric has nothing to say about."""
        return torch.tensor(list(self.per_video().values())).nanmean()


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A state as one tensor: torchmetrics makes it one where processes are joined."""
    return state if isinstance(state, Tensor) else torch.cat([*state, torch.empty(0)])
