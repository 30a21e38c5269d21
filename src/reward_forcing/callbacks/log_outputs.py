"""Write what training steps return to every logger."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

from collections.abc import Mapping
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor


class LogOutputs(Callback):
    """Logs the scalars of a step under that step's number; each network's only on its own turns, so none goes stale.

    TensorBoard also gets a histogram of whatever the module has in `distributions` for that network (rewards, weights).

    Args:
        every: steps between two logged ones of the same network.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, *, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"callbacks.log_outputs.every is {every}; it must be at least 1")
        self.every = every
        self._logged: dict[str, int] = {}

    def state_dict(self) -> dict[str, Any]:
        """When each network was logged last, so that a continued run logs at the same steps."""
        return dict(self._logged)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._logged = dict(state_dict)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log this step."""
        network, step = next(iter(outputs)).partition("/")[0], trainer.global_step
        if step - self._logged.get(network, step - self.every) < self.every:
            return
        self._logged[network] = step
        scalars = {name: float(value) for name, value in outputs.items()}
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step)
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                _log_histograms(logger, getattr(pl_module, "distributions", {}), network, step)
        if trainer.progress_bar_callback is not None:
            trainer.progress_bar_metrics.update(
                {name: value for name, value in scalars.items() if name.endswith("/loss")}
            )


def _log_histograms(logger: TensorBoardLogger, distributions: Mapping[str, Tensor], network: str, step: int) -> None:
    """Write the distributions of a network, without what is not finite."""
    for name, values in distributions.items():
        finite = values[values.isfinite()]
        if name.startswith(f"{network}/") and len(finite):
            logger.experiment.add_histogram(name, finite, step)
