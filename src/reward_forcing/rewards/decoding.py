"""Samples to pixels, for rewards that judge pixels."""

from collections.abc import Sequence

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.shapes import Latents, Video


def decoded(codec: LatentCodec | None, clean: Latents, prompts: Sequence[str], *, place: str) -> Video:
    """The pixels of samples.

    Args:
        codec: decodes them; None: the reward has none.
        clean: the samples.
        prompts: one a sample.
        place: who asks, for errors.

    Raises:
        ValueError: there is no codec, or not one prompt a sample.
    """
    require_prompts(len(clean), prompts, place=place)
    if codec is None:
        raise ValueError(f"{place}: codec is null; give one, or judge within reward=weighted_sum, which has its own")
    return codec.decode(clean)


def require_prompts(samples: int, prompts: Sequence[str], *, place: str) -> None:
    """Raise ValueError unless there is one prompt a sample."""
    if len(prompts) != samples:
        raise ValueError(f"{place}: {len(prompts)} prompts for {samples} samples; one a sample is needed")
