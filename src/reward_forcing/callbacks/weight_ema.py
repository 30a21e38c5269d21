"""When and how fast averaged weights follow the trained ones."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

from typing import Any

from lightning import Callback, LightningModule, Trainer

from reward_forcing.modules.steps import update_average


class WeightEMA(Callback):
    """Averages the weights a module names in `averaged()`, after each step in which its own optimiser stepped.

    Args:
        decay: weight of the old average at each step of the network.
        start_step: the average is a plain copy until the module has done this many steps.
        ramp: makes the average young at first: after n steps the decay is at most n / (ramp + n).

    Raises:
        ValueError: `decay` is outside [0, 1] or `start_step` is negative.
    """

    def __init__(self, *, decay: float, start_step: int = 0, ramp: int = 0) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"student_ema.decay is {decay}; it must be within [0, 1]")
        for name, value in (("start_step", start_step), ("ramp", ramp)):
            if value < 0:
                raise ValueError(f"student_ema.{name} is {value}; it must be at least 0")
        self.decay, self.start_step, self.ramp = decay, start_step, ramp

    def decay_after(self, steps: int) -> float:
        """The decay when the module has done this many steps."""
        if steps <= self.start_step:
            return 0.0
        return min(self.decay, steps / (self.ramp + steps))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Average the networks that learned in this step; those whose step was skipped did not."""
        decay = self.decay_after(trainer.global_step)
        for name, average, network in pl_module.averaged():  # type: ignore[operator]
            if not outputs.get(f"{name}/skipped", True):
                update_average(average, network, decay)
