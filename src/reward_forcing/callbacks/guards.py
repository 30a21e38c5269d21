"""What becomes of steps with NaN or infinity in them: counted, kept for inspection, and not too many."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import json
import logging
import math
from pathlib import Path
from typing import Any, Final

from lightning import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import Tensor

from reward_forcing.modules.faults import SkippedStep

LARGEST_TENSORS: Final = 16 * 2**20
"""Bytes: batches with more in them are kept without their tensors."""

say = logging.getLogger(__name__).warning


class Guards(Callback):
    """Counts the steps of each network that were skipped, and writes down what is needed to do them again.

    Args:
        folder: where every rank writes `step=N,rank=R.json`, and the batch's tensors beside it where they are small.
        largest_skips: so many steps of a network in a row may be skipped; the next one ends the training.

    Raises:
        ValueError: `largest_skips` is negative.
    """

    def __init__(self, *, folder: str | Path, largest_skips: int) -> None:
        if largest_skips < 0:
            raise ValueError(f"callbacks.guards.largest_skips is {largest_skips}; it must be at least 0")
        self.folder, self.largest_skips = Path(folder), largest_skips
        self.in_a_row: dict[str, int] = {}
        self.total: dict[str, int] = {}
        self._skipped: SkippedStep | None = None

    def on_skipped_step(self, skipped: SkippedStep) -> None:
        """Take note."""
        self._skipped = skipped

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; keep what was skipped; refuse to go on for ever.

        Raises:
            ValueError: too many steps of a network in a row.
        """
        network = next(iter(outputs)).partition("/")[0]
        skipped, self._skipped = self._skipped, None
        if skipped is None:
            self.in_a_row[network] = 0
            return
        for counts in (self.in_a_row, self.total):
            counts[network] = counts.get(network, 0) + 1
        for logger in trainer.loggers:
            logger.log_metrics({f"{network}/skipped_steps": self.total[network]}, trainer.global_step)
        causes = ", ".join(f"{network}/{cause}" for cause in skipped.causes)
        path = self.folder / f"step={skipped.step},rank={trainer.global_rank}.json"
        keep(path, skipped, network=network, rank=trainer.global_rank, seed=getattr(pl_module, "seed", None))
        if trainer.is_global_zero:
            say(f"step {skipped.step}: not finite: {causes}; the step was skipped. Its batch: {path}")
        if self.in_a_row[network] > self.largest_skips:
            raise ValueError(
                f"step {skipped.step}: not finite: {causes}, in {self.in_a_row[network]} steps of the {network} in a "
                f"row; callbacks.guards.largest_skips is {self.largest_skips}. Their batches: {self.folder}"
            )

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"in_a_row": dict(self.in_a_row), "total": dict(self.total)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.in_a_row, self.total = dict(state_dict["in_a_row"]), dict(state_dict["total"])


def keep(path: Path, skipped: SkippedStep, **about: Any) -> None:
    """Write a skipped step as JSON, and small tensors of its batch beside it; a disk that is full is no reason to stop.

    Args:
        path: of the JSON file.
        skipped: the step.
        about: what else there is to say.
    """
    tensors = {name: value.contiguous() for name, value in skipped.batch.items() if isinstance(value, Tensor)}
    words = {name: value for name, value in skipped.batch.items() if name not in tensors}
    reports = [{name: readable(value) for name, value in report.items()} for report in skipped.reports]
    told = {**about, "step": skipped.step, "causes": skipped.causes, "gradient_norm": readable(skipped.gradient_norm)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**told, "keys": skipped.keys, "micro_batches": reports, "batch": words}, indent=1)
        path.write_text(text, encoding="utf-8")
        if tensors and sum(value.nbytes for value in tensors.values()) <= LARGEST_TENSORS:
            save_file(tensors, path.with_suffix(".safetensors"))
    except OSError as error:
        say(f"{path}: the skipped step could not be written down: {error}")


def readable(value: Tensor | float | list[Any]) -> Any:
    """Numbers as JSON knows them: "nan", "inf" and "-inf" are words.

    >>> import torch
    >>> readable(torch.tensor([1.0, float("nan")]))
    [1.0, 'nan']
    """
    if isinstance(value, Tensor):
        return readable(value.tolist())
    if isinstance(value, list):
        return [readable(one) for one in value]
    return value if math.isfinite(value) else str(value)
