"""Training the toy world's codec."""

from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from reward_forcing import seeding
from reward_forcing.codecs.toy_codec import ToyCodec, reconstruction_loss
from reward_forcing.modules.sharding import rows_of_all_ranks
from reward_forcing.modules.steps import Batch, Recipe, Scalars, learn, prefixed

STATISTICS_DECAY = 0.99
"""How slowly the latents' statistics follow the encoder; the learning rate falls to 0, so they end exact."""


class CodecTraining(LightningModule):
    """A frame-wise autoencoder learns to reproduce frames, and the statistics of its latents.

    Args:
        codec: the autoencoder.
        recipe: how it is optimised.
        seed: of all randomness.
    """

    def __init__(self, *, codec: ToyCodec, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.codec, self.recipe, self.seed = codec, recipe, seed

    def configure_model(self) -> None:
        """Nothing is split.

        Raises:
            ValueError: the strategy asks for it.
        """
        if self.device_mesh is not None:
            raise ValueError("trainer: a codec of the toy world is not split; allowed: trainer=default or trainer=ddp")

    def training_step(self, batch: Batch, batch_idx: int) -> Scalars:  # noqa: ARG002 (Lightning's name)
        """One optimiser step on the frames of `video`."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, Optimizer)
        report = learn(self, optimizer, self.recipe, batch, self._loss)
        if not report["skipped"]:
            self.codec.measure(rows_of_all_ranks(batch["video"]), decay=STATISTICS_DECAY)
        return prefixed("codec", report)

    def _loss(self, batch: Batch, key: seeding.Key) -> Scalars:
        video: Tensor = batch["video"]
        return {
            "loss": reconstruction_loss(self.codec, video.flatten(0, 1), seeding.generator(self.seed, "codec", *key))
        }

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of the codec."""
        return self.recipe.optimizer(self.codec.named_parameters())

    def averaged(self) -> list[tuple[str, nn.Module, nn.Module]]:
        """Nothing is averaged."""
        return []

    def exports(self) -> dict[str, nn.Module]:
        """What training is for."""
        return {"codec": self.codec}
