"""A judge that must answer in time: one that hangs would hold up a training for good."""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread

import torch

from reward_forcing.rewards.protocols import RewardModel
from reward_forcing.shapes import Latents, Rewards


class Limited:
    """Another reward, with a limit of time for each answer.

    Args:
        reward: that judges.
        seconds: it may take for a batch.

    Raises:
        ValueError: the limit is not positive.
    """

    def __init__(self, *, reward: RewardModel, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"reward.seconds is {seconds}; it must be above 0")
        self.reward, self.seconds = reward, seconds

    @property
    def label(self) -> str:
        """That of the reward."""
        return str(getattr(self.reward, "label", type(self.reward).__name__))

    def to(self, device: torch.device | str, /) -> "Limited":
        """Itself, with the reward moved."""
        self.reward = self.reward.to(device)
        return self

    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        """What the reward says; its errors are passed on.

        Raises:
            ValueError: it says nothing in time. The thread that waits for it ends with the process.
        """
        answer: Future[Rewards] = Future()
        Thread(target=self._ask, args=(answer, clean, prompts), daemon=True).start()
        try:
            return answer.result(self.seconds)
        except TimeoutError as error:
            raise ValueError(
                f"reward: {self.label} gave no answer within {self.seconds:g} s; allowed: a larger reward.seconds, "
                "or a reward that answers; then resume=auto"
            ) from error

    @torch.no_grad()
    def _ask(self, answer: "Future[Rewards]", clean: Latents, prompts: Sequence[str]) -> None:
        """Put the rewards, or the error, where they are waited for. Whether gradients are kept is a thread's own."""
        try:
            answer.set_result(self.reward(clean, prompts))
        except BaseException as error:
            answer.set_exception(error)
