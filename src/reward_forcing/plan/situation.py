"""What a composed config says about how it will run, as far as a plan needs it."""

from dataclasses import dataclass
from typing import Any

from reward_forcing.plan.activations import PRODUCT, Precision
from reward_forcing.plan.costs import Pass, Sizes, kv_bytes, seen_frames
from reward_forcing.plan.networks import Network, Node
from reward_forcing.shapes import Geometry


@dataclass(frozen=True, kw_only=True)
class Situation:
    """How a run runs.

    Args:
        geometry: sizes of the clips.
        ranks: processes, one a GPU.
        sharded: whether parameters are divided among them (FSDP2).
        copies: of the parameters that are divided (hybrid sharding).
        mixed: whether passes are in bf16 whatever the parameters are.
        batch: samples of a step on all ranks together.
        micro: samples that a rank processes at once.
        levels: denoising steps.
        window: frames attended at once; None: all.
        sink: frames of it.
        sink_width: bytes of a number in the sink; None: as in passes.
        words: tokens of a prompt.
        chunks: of the longest rollout.
    """

    geometry: Geometry
    ranks: int
    sharded: bool
    mixed: bool
    batch: int
    micro: int
    levels: int
    window: int | None
    sink: int
    sink_width: int | None
    words: int
    chunks: int
    copies: int = 1

    @property
    def shares(self) -> int:
        """Into how many parts parameters are divided."""
        return self.ranks // self.copies if self.sharded else 1

    def precision(self, network: Network) -> Precision:
        """That a network computes in; for a sharded one, that which takes more memory."""
        if self.mixed:
            return "mixed"
        return "float32" if network.width == 4 else "bfloat16"

    def clip(self, batch: int) -> Pass:
        """A pass over whole clips."""
        tokens = self.geometry.tokens_per_frame
        return Pass(frames=self.geometry.frames, tokens=tokens, words=self.words, batch=batch)

    def chunk(self, index: int) -> Pass:
        """A pass over a chunk of the rollout."""
        keys = seen_frames(self.geometry, self.window, index)
        tokens, frames = self.geometry.tokens_per_frame, self.geometry.chunk_frames
        return Pass(frames=frames, keys=keys, tokens=tokens, words=self.words, batch=self.micro)

    @property
    def scored(self) -> range:
        """Chunks of the rollout that carry gradients."""
        return range(self.chunks - self.geometry.chunks, self.chunks)

    def remembered(self, sizes: Sizes, frames: float, precision: Precision) -> int:
        """Bytes of keys and values of some frames."""
        tokens, width = self.geometry.tokens_per_frame, PRODUCT[precision]
        one = kv_bytes(sizes, frames=1, tokens=tokens, batch=self.micro, width=width)
        return round(frames * one)


def situation_of(values: Node) -> Situation:
    """Read a composed config, resolved."""
    module, trainer = values["module"], values["trainer"]
    geometry = Geometry(**{key: value for key, value in values["geometry"].items() if key != "_target_"})
    devices, strategy = trainer.get("devices", 1), trainer.get("strategy")
    split = strategy if isinstance(strategy, dict) and "sharding" in str(strategy.get("_target_")) else None
    ranks = (devices if isinstance(devices, int) and devices > 0 else 1) * int(trainer.get("num_nodes", 1))
    batch, sink = int(values["data"].get("batch_size", 1)), values["sink"]
    parts = [int(node.get("micro_batches", 1)) for key, node in module.items() if key.endswith("recipe")]
    lengths: Any = module.get("rollout_chunks") or geometry.chunks
    return Situation(
        geometry=geometry,
        ranks=ranks,
        sharded=split is not None,
        copies=int((split or {}).get("replicas", 1)),
        mixed=str(trainer.get("precision")) == "bf16-mixed",
        batch=batch,
        micro=max(1, batch // ranks // min(parts, default=1)),
        levels=len(values["rollout"]["levels"]),
        window=values["memory"]["window_frames"],
        sink=int(sink.get("frames", 0)),
        sink_width=4 if str(sink["_target_"]).endswith("EMASink") else None,
        words=int(values["text"].get("tokens", 512)),
        chunks=max(lengths) if isinstance(lengths, list) else int(lengths),
    )
