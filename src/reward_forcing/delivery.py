"""From clean latents to levels 0 to 255 in the memory of the host; on a GPU while the next chunk is being denoised."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeAlias, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.shapes import Latents, Video
from reward_forcing.videos import to_uint8

Levels: TypeAlias = UInt8[Tensor, "batch video_frame 3 video_height video_width"]
T = TypeVar("T")


def decoded(chunks: Iterable[Latents], codec: LatentCodec) -> Iterator[Video]:
    """Pixels in [-1, 1] of a stream, chunk after chunk, where the latents are."""
    past: Any = None
    for clean in chunks:
        video, past = codec.decode_next(clean, past)
        yield video


def delivered(chunks: Iterable[Latents], codec: LatentCodec, device: torch.device) -> Iterator[Levels]:
    """Levels of a stream in the memory of the host, chunk after chunk.

    On a GPU decoding, rounding and the copy wait in a queue of their own, and a chunk but the first is handed out when
    the one after it has been asked for: what denoising leaves free of the GPU, decoding takes. On a CPU no chunk is
    asked for before it is wanted: all cores compute already.

    Args:
        chunks: clean latents.
        codec: that decodes them.
        device: where both are.
    """
    if device.type == "cuda":
        for arrival in one_ahead(_sent(chunks, codec, device)):
            yield arrival()
    else:
        yield from map(to_uint8, decoded(chunks, codec))


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each when the one after it is there, but the first at once; an error comes after those before it.

    >>> list(one_ahead("abc"))
    ['a', 'b', 'c']
    """
    waiting: list[T] = []
    try:
        for number, item in enumerate(items):
            waiting.append(item)
            if number != 1:
                yield waiting.pop(0)
    except Exception:
        yield from waiting
        raise
    yield from waiting


def _sent(chunks: Iterable[Latents], codec: LatentCodec, device: torch.device) -> Iterator[Callable[[], Levels]]:
    """For each chunk, what waits for its levels, which are on their way."""
    queue, past = torch.cuda.Stream(device), None
    for clean in chunks:
        queue.wait_stream(torch.cuda.current_stream(device))
        clean.record_stream(queue)  # its memory is not given away before it has been read here
        with torch.cuda.stream(queue):
            video, past = codec.decode_next(clean, past)
            levels = to_uint8(video)
            host = torch.empty_like(levels, device="cpu", pin_memory=True)
            host.copy_(levels, non_blocking=True)
            arrival = partial(_arrived, host, queue.record_event())
        yield arrival


def _arrived(host: Levels, done: torch.cuda.Event) -> Levels:
    """Wait for a copy."""
    done.synchronize()
    return host
