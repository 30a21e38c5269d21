"""The machines a plan is for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a run may use.

    Args:
        memory_gb: of a GPU, in 1e9 bytes; None: that of the GPU that is there, without one any plan fits.
        tflops: peak rate of a GPU in bf16, in 1e12 operations a second.
        utilisation: share of the peak that training is assumed to reach.
        reserved_gb: of each GPU, for its context, libraries and fragments.

    Raises:
        ValueError: a number is not positive, or the share is above 1.
    """

    memory_gb: float | None
    tflops: float
    utilisation: float
    reserved_gb: float

    def __post_init__(self) -> None:
        for name in ("memory_gb", "tflops", "utilisation"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"hardware.{name} is {value}; it must be positive")
        if self.utilisation > 1 or self.reserved_gb < 0:
            raise ValueError(
                f"hardware.utilisation is {self.utilisation} and reserved_gb {self.reserved_gb}; "
                "allowed: at most 1, and at least 0"
            )

    @property
    def rate(self) -> float:
        """Operations a second that a GPU is assumed to do."""
        return self.tflops * 1e12 * self.utilisation

    def memory(self) -> float | None:
        """Bytes of a GPU; None: unknown."""
        if self.memory_gb is not None:
            return self.memory_gb * 1e9
        import torch

        return float(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None
