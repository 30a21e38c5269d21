"""Memory of trainings on a CPU."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

from lightning import Callback, LightningModule, Trainer

from reward_forcing.allocation import keep_in_huge_pages


class HugePages(Callback):
    """Has a training on a CPU keep the memory it frees, in huge pages; elsewhere, and where it cannot, does nothing.

    Args:
        gigabytes: of memory that are asked to lie so once they are used.

    Raises:
        ValueError: `gigabytes` is not positive.
    """

    def __init__(self, *, gigabytes: float = 2.0) -> None:
        if gigabytes <= 0:
            raise ValueError(f"callbacks.huge_pages.gigabytes is {gigabytes}; it must be positive")
        self.gigabytes = gigabytes

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before the first tensors of a step are made."""
        if trainer.strategy.root_device.type == "cpu":
            keep_in_huge_pages(int(self.gigabytes * 1e9))
