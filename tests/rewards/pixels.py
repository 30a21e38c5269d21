"""A codec that does nothing, so that rewards can be asked about pixels."""

from typing import Any

from torch import Tensor


class Pixels:
    """Latents are the video itself."""

    def encode(self, video: Tensor) -> Tensor:
        """The video."""
        return video

    def encode_parts(self, parts: Any) -> Any:
        """The parts."""
        return iter(parts)

    def decode(self, latents: Tensor) -> Tensor:
        """The latents."""
        return latents

    def decode_next(self, latents: Tensor, past: Any = None) -> tuple[Tensor, Any]:
        """The latents."""
        return latents, past

    def video_frames(self, frames: int) -> int:
        """As many."""
        return frames

    def to(self, device: Any, /) -> "Pixels":  # noqa: ARG002
        """Itself."""
        return self
