"""What of a sink learns, and its plain values."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from reward_forcing.memory.policy import MemoryPolicy, SinkStrategy


def learned(sink: SinkStrategy) -> nn.ParameterDict:
    """The parameters a sink holds, by the keyword of its constructor that takes their values; most hold none."""
    return nn.ParameterDict({name: value for name, value in vars(sink).items() if isinstance(value, nn.Parameter)})


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, tensors as lists."""
    return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in values.items()}


def require_folds(memory: MemoryPolicy, *, frames: int) -> None:
    """Check that a sink which is to learn meets a frame that leaves the window, in rollouts of so many frames.

    Raises:
        ValueError: none ever leaves.
    """
    if len(learned(memory.sink)) and (memory.window_frames is None or frames <= memory.window_frames):
        raise ValueError(
            f"memory.window_frames is {memory.window_frames}; a sink that learns needs frames that leave it: allowed "
            f"are numbers below {frames}, the frames of a rollout (or choose sink=ema)"
        )
