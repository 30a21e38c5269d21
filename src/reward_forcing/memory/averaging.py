"""What averaging sinks share."""

from torch import Tensor

from reward_forcing.memory.kv import KV


def require_average(frames: int, decay: float) -> None:
    """Check the numbers of an averaging sink.

    Raises:
        ValueError: `frames` is not positive or `decay` is outside [0, 1].
    """
    if frames < 1:
        raise ValueError(f"sink.frames is {frames}; an EMA sink keeps at least 1 (or choose sink=none)")
    require_share("decay", decay)


def require_share(name: str, value: float) -> None:
    """Check a number of a sink that is a share.

    Raises:
        ValueError: it is outside [0, 1].
    """
    if not 0 <= value <= 1:
        raise ValueError(f"sink.{name} is {value}; it must be within [0, 1]")


def averaged(sink: KV, evicted: KV, weight: float | Tensor) -> KV:
    """`(1 - weight) sink + weight evicted`, keys and values alike; weight 0 leaves every bit of the sink.

    Args:
        sink: the old average.
        evicted: as many frames.
        weight: of the evicted frames; a tensor is one that broadcasts to keys and values.
    """
    return KV(moved(sink.keys, evicted.keys, weight), moved(sink.values, evicted.values, weight))


def moved(old: Tensor, new: Tensor, weight: float | Tensor) -> Tensor:
    """`(1 - weight) old + weight new`, in the precision of `old`."""
    return old.lerp(new, weight.to(old) if isinstance(weight, Tensor) else weight)
