"""The last value of everything that training steps report."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class LatestOutputs(Callback):
    """Remembers the newest scalar of each name, for summaries."""

    def __init__(self) -> None:
        self._latest: dict[str, Tensor] = {}

    @property
    def scalars(self) -> dict[str, float]:
        """The newest values."""
        return {name: float(value) for name, value in self._latest.items()}

    def on_train_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002 (Lightning's names)
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Take note."""
        self._latest.update(outputs)
