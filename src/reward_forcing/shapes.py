"""What tensors mean: shape aliases, and the sizes everything else is derived from."""

from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Bool, Float
from torch import Tensor

Latents: TypeAlias = Float[Tensor, "batch frame channel height width"]
"""A clip in the codec's latent space; also noise, noisy latents, velocities and score gaps."""

Video: TypeAlias = Float[Tensor, "batch video_frame 3 video_height video_width"]
"""A clip in pixels, RGB in [-1, 1]."""

Sigma: TypeAlias = Float[Tensor, "batch frame"]
"""Noise level of every frame, in [0, 1]: 0 is clean, 1 is pure noise."""

Prompts: TypeAlias = Float[Tensor, "batch token feature"]
"""Encoded prompts, zero-padded to a fixed number of tokens; every position is attended."""

Rewards: TypeAlias = Float[Tensor, " batch"]
"""One number a sample, higher is better; also sample weights."""

FrameMask: TypeAlias = Bool[Tensor, "query_frame key_frame"]
"""True where a query frame may look at a key frame."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The sizes of one experiment, in latent units; every other size is derived from these.

    Args:
        channels: latent channels.
        height: latent rows.
        width: latent columns.
        frames: latent frames of a training clip.
        chunk_frames: frames the student denoises together.
        patch: rows and columns of a transformer patch.

    Raises:
        ValueError: a size is not positive, the patch does not divide the latent, or chunks do not fill a clip.
    """

    channels: int
    height: int
    width: int
    frames: int
    chunk_frames: int
    patch: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"geometry.{name} is {value}; it must be at least 1")
        for name in ("height", "width"):
            if getattr(self, name) % self.patch:
                raise ValueError(
                    f"geometry.{name} is {getattr(self, name)}; it must be a multiple of geometry.patch ({self.patch})"
                )
        if self.frames % self.chunk_frames:
            raise ValueError(
                f"geometry.frames is {self.frames}; it must be a multiple of chunk_frames ({self.chunk_frames})"
            )

    @property
    def chunks(self) -> int:
        """Chunks in a training clip."""
        return self.frames // self.chunk_frames

    @property
    def tokens_per_frame(self) -> int:
        """Transformer tokens in one latent frame."""
        return (self.height // self.patch) * (self.width // self.patch)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of one latent frame."""
        return (self.channels, self.height, self.width)

    @property
    def chunk_shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of one chunk."""
        return (self.chunk_frames, *self.frame_shape)

    @property
    def clip_shape(self) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of a training clip."""
        return (self.frames, *self.frame_shape)
