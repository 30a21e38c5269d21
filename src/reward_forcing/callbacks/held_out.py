"""Is the reward hacked? Looks at videos that are not trained on, with metrics that the reward does not contain."""

# ruff: noqa: ARG002 (Lightning names the arguments of its hooks)

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from reward_forcing import videos
from reward_forcing.callbacks.sample_videos import Sampler, decoded
from reward_forcing.callbacks.trends import FEWEST_LOOKS, FEWEST_SAMPLES, betrayed, change
from reward_forcing.codecs.protocols import LatentCodec, TextEncoder
from reward_forcing.modules.sharding import is_sharded

say = logging.getLogger(__name__).warning


@runtime_checkable
class HeldOutMetric(Protocol):
    """Scores finished videos one by one, as `evaluation.video_metric.VideoMetric` does."""

    @property
    def higher_is_better(self) -> bool | None:
        """Of the score; None where neither is."""

    def reset(self) -> None:
        """Forget all videos."""

    def update(self, videos: Tensor, prompts: Sequence[str], indices: Sequence[int]) -> None:
        """Score videos: levels 0 to 255, [clip, frame, 3, height, width]."""

    def per_video(self) -> Mapping[int, float]:
        """The score of each by its index; NaN where there is nothing to say."""


class HeldOut(Callback):
    """Streams the same prompts with the averaged student every so many steps, and logs the reward beside other metrics.

    When the reward has risen over the last looks and a metric has become worse, both by more than their noise
    (`trends.change`), it says so, or stops the training.

    Args:
        every: steps between two looks.
        window: looks that are compared.
        certainty: standard errors that a change must exceed.
        stop: whether to stop the training where the reward is hacked.
        prompts: what to generate.
        sampler: how the student generates; `reward` is the module's own.
        codec: latents to pixels.
        text: prompts to embeddings.
        seed: of the noise, the same at every look and not that of the training.
        metrics: by name.

    Raises:
        ValueError: a number is out of range, or a metric does not tell which scores are better.
    """

    def __init__(
        self,
        *,
        every: int,
        window: int,
        certainty: float,
        stop: bool,
        prompts: Sequence[str],
        sampler: Sampler,
        codec: LatentCodec,
        text: TextEncoder,
        seed: int,
        metrics: Mapping[str, HeldOutMetric],
    ) -> None:
        counts = (("every", every, 1), ("window", window, FEWEST_LOOKS), ("prompts", len(prompts), FEWEST_SAMPLES))
        for name, value, least in counts:
            if value < least:
                raise ValueError(f"callbacks.held_out.{name} is {value}; it must be at least {least}")
        if certainty <= 0:
            raise ValueError(f"callbacks.held_out.certainty is {certainty}; it must be positive")
        for name, metric in metrics.items():
            if metric.higher_is_better is None:
                raise ValueError(f"callbacks.held_out.metrics.{name} has no better end; allowed: metrics that have one")
        self.every, self.window, self.certainty, self.stop = every, window, certainty, stop
        self.prompts, self.sampler, self.codec, self.text, self.seed = list(prompts), sampler, codec, text, seed
        self.metrics = dict(metrics)
        self.looks: list[dict[str, list[float]]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look, log and judge, when it is time."""
        if trainer.global_step % self.every:
            return
        hacked = False
        if trainer.is_global_zero or is_sharded(pl_module):
            scores = self._look(pl_module)
            self.looks = [*self.looks, scores][-self.window :]
            if trainer.is_global_zero:
                hacked = self._judge(trainer, scores)
        if self.stop and trainer.strategy.reduce_boolean_decision(hacked, all=False):
            trainer.should_stop = True

    @torch.no_grad()
    def _look(self, module: LightningModule) -> dict[str, list[float]]:
        """Scores by name, one a prompt."""
        prompt = self.text(self.prompts).to(module.device)
        negative = self.text([""] * len(self.prompts)).to(module.device)
        latents = self.sampler(module, prompt, negative, self.seed)
        frozen: Any = module.frozen
        scores = {"reward": frozen.reward(latents, self.prompts).tolist()}
        frames = videos.to_uint8(decoded(self.codec.to(latents.device), latents))
        for name, metric in self.metrics.items():
            metric.reset()
            metric.update(frames, self.prompts, range(len(frames)))
            scores[name] = list(metric.per_video().values())
        return scores

    def _judge(self, trainer: Trainer, scores: Mapping[str, list[float]]) -> bool:
        """Log a look; whether the reward is hacked."""
        means = {f"held_out/{name}": float(torch.tensor(values).nanmean()) for name, values in scores.items()}
        for logger in trainer.loggers:
            logger.log_metrics(means, trainer.global_step)
        if len(self.looks) < self.window:
            return False
        changes = {name: change(torch.tensor([look[name] for look in self.looks])) for name in scores}
        better = {name: 1 if metric.higher_is_better else -1 for name, metric in self.metrics.items()}
        others = {name: changes[name].times(sign) for name, sign in better.items()}
        worse = betrayed(changes["reward"], others, self.certainty)
        if worse:
            told = ", ".join(f"{name} {changes[name]}" for name in ("reward", *worse))
            say(f"step {trainer.global_step}: the reward rises while others get worse over {self.window} looks: {told}")
        return bool(worse)

    def state_dict(self) -> dict[str, Any]:
        """The last looks."""
        return {"looks": [dict(look) for look in self.looks]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from them."""
        self.looks = [dict(look) for look in state_dict["looks"]]
