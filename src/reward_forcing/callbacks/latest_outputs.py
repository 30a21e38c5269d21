"""The last value of everything that training steps report."""

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class LatestOutputs(Callback):
    """Remembers the newest scalar of each name, for summaries; a continued run goes on from those before."""

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

    def state_dict(self) -> dict[str, Any]:
        """The newest values."""
        return self.scalars

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from them."""
        self._latest = {name: torch.tensor(value) for name, value in state_dict.items()}
