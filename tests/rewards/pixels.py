"""A codec that does nothing, so that rewards can be asked about pixels."""

from torch import Tensor


class Pixels:
    """Latents are the video itself."""

    def encode(self, video: Tensor) -> Tensor:
        """The video."""
        return video

    def decode(self, latents: Tensor) -> Tensor:
        """The latents."""
        return latents
