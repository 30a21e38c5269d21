"""From an exported student to an endless stream of pixels."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch

from reward_forcing import seeding
from reward_forcing.codecs.protocols import LatentCodec, TextEncoder
from reward_forcing.composition import configuration
from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.delivery import Levels, decoded, delivered
from reward_forcing.machine import versions
from reward_forcing.memory.learning import plain_values
from reward_forcing.networks.sources import Inspection, inspect
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import load
from reward_forcing.rollout import Rollout
from reward_forcing.sampling import trajectory
from reward_forcing.scripts import Script
from reward_forcing.shapes import Geometry, Latents, Video
from reward_forcing.starts import Start
from reward_forcing.stream_notes import codec_file, config_of


@dataclass(frozen=True, kw_only=True)
class MemoryWish:
    """How a student is to remember, where it is not the way its export notes.

    Args:
        sink: an option of the config group; None: as noted.
        decay: of an averaging sink.
        window: frames attended at once, sink and current chunk included.
    """

    sink: str | None = None
    decay: float | None = None
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class Streamer:
    """An exported network and everything it needs to make videos.

    Args:
        network: a student, or a teacher.
        codec: latents to pixels.
        text: words to embeddings.
        rollout: how a student generates.
        geometry: sizes of a chunk.
        name: of how it remembers.
        fps: video frames a second when played.
        about: where the network comes from.
        told: all that decides how it streams: what was asked for, the whole composed config, versions of libraries.
    """

    network: WanTransformer
    codec: LatentCodec
    text: TextEncoder
    rollout: Rollout
    geometry: Geometry
    name: str
    fps: float = 8.0
    about: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memory(self) -> dict[str, Any]:
        """How it remembers, in numbers."""
        told = plain_values(vars(self.rollout.memory.sink))
        sink = {key: value for key, value in told.items() if key not in ("dtype", "frames")}
        return {
            "sink": self.name,
            "sink_frames": self.rollout.memory.sink.frames,
            **sink,
            "window_frames": self.rollout.memory.window_frames,
            "levels": self.rollout.levels,
        }

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.network.parameters()).device

    def noise(self, prompts: Sequence[str], seeds: Sequence[int]) -> seeding.VideoNoise:
        """Noise that depends on a video's prompt and seed, and on nothing else."""
        keys: tuple[seeding.Key, ...] = tuple(
            (seed, "stream", prompt) for prompt, seed in zip(prompts, seeds, strict=True)
        )
        return seeding.VideoNoise(keys, self.geometry.chunk_shape, self.device)

    def prepare(self, prompts: Sequence[str]) -> None:
        """Have prompts encoded or refused, before anything is generated.

        Raises:
            ValueError: one cannot be encoded, or the network takes other embeddings.
        """
        self.text.prepare(prompts)
        features, wanted = self.text(prompts[:1]).shape[-1], self.network.sizes["text_dim"]
        if features != wanted:
            raise ValueError(
                f"text: embeddings have {features} features; the network takes {wanted}: another encoder's"
            )

    @torch.inference_mode()
    def stream(self, prompts: Sequence[str], seeds: Sequence[int], **how: Any) -> Iterator[Video]:
        """Pixels in [-1, 1], chunk after chunk, of one video a prompt and seed; arguments as of `latents`."""
        yield from decoded(self.latents(prompts, seeds, **how), self.codec)

    @torch.inference_mode()
    def deliver(self, prompts: Sequence[str], seeds: Sequence[int], **how: Any) -> Iterator[Levels]:
        """Levels 0 to 255 of the same in the memory of the host, decoded aside on a GPU; arguments as of `latents`."""
        yield from delivered(self.latents(prompts, seeds, **how), self.codec, self.device)

    @torch.inference_mode()
    def latents(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        chunks: int | None = None,
        switches: Mapping[int, str] | None = None,
        start: Latents | Start | None = None,
        on_switch: str = "cross_only",
    ) -> Iterator[Latents]:
        """Clean latents, chunk after chunk, of one video a prompt and seed.

        Args:
            prompts: what to generate.
            seeds: one a prompt.
            chunks: how many; None: without end.
            switches: new prompts for all videos, by the frame of the video from whose chunk on they hold.
            start: latents to continue, at once or in parts; the video begins with them.
            on_switch: what becomes of the memory at a switch.
        """
        counted: Iterable[int] = itertools.count() if chunks is None else range(chunks)
        known = Start.of(start) if isinstance(start, torch.Tensor) else start or Start(0)
        later = {frame - known.frames: prompt for frame, prompt in (switches or {}).items()}
        prompt_at = Script(later, self.geometry.chunk_frames, self.text, tuple(prompts), self.device)
        noise, first = self.noise(prompts, seeds), known.parts(self.geometry.chunk_frames)
        yield from self.rollout.stream(self.network, noise, prompt_at, chunks=counted, start=first, on_switch=on_switch)

    def chunks_of(self, video_frames: int, start: Start | None = None) -> int:
        """How many chunks make a video at least so long, after the frames it starts with."""
        known, size = start.frames if start else 0, self.geometry.chunk_frames
        return next(n for n in itertools.count(1) if self.codec.video_frames(known + n * size) >= video_frames)

    @torch.inference_mode()
    def trajectory(
        self, prompts: Sequence[str], seeds: Sequence[int], *, steps: int, guidance_scale: float, shift: float
    ) -> Iterator[Latents]:
        """A teacher's states from noise to clean, from the noise that a student's first chunks would start from."""
        noise = self.noise(prompts, seeds)
        yield from trajectory(
            self.network,
            torch.cat([noise(chunk, 0) for chunk in range(self.geometry.chunks)], 1),
            prompt=self.text(prompts).to(self.device),
            negative=self.text([""] * len(prompts)).to(self.device),
            steps=steps,
            guidance_scale=guidance_scale,
            shift_factor=shift,
        )

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[str], seeds: Sequence[int], *, steps: int, guidance_scale: float, shift: float
    ) -> Video:
        """Whole clips of a teacher in pixels: the clean ends of its trajectories."""
        *_, clean = self.trajectory(prompts, seeds, steps=steps, guidance_scale=guidance_scale, shift=shift)
        return self.codec.decode(clean)


WAN_NOTES: Final[dict[str, Any]] = {
    "choices": {
        "geometry": "wan_480p",
        "codec": "wan",
        "text": "umt5_cached",
        "checkpoints": "wan",
        "sink": "ema",
        "memory": "default",
        "rollout": "official",
    },
    "values": {"sink": {"decay": 0.999}, "play": {"fps": 16}},
}
"""How a network that notes nothing is streamed: as the released students of Wan2.1-T2V."""

LIBRARIES: Final = ("torch", "numpy", "safetensors", "av", "diffusers", "transformers", "hydra-core", "reward-forcing")
"""What pixels depend on, besides the weights."""

LARGE: Final = 200_000_000
"""Bytes of weights from which on a network computes in bf16 on a GPU, if nothing else is asked for."""


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What a network streams with, where it is not what it notes.

    Args:
        codec: file of the codec.
        dtype: precision of the network; None: bf16 for large networks on a GPU, else fp32.
        device: where to compute.
        overrides: of the config `stream`, such as `codec=tiny_wan` or `checkpoints.folder=/data/wan`.
    """

    codec: str | Path | None = None
    dtype: Literal["float32", "bfloat16"] | None = None
    device: str = "cpu"
    overrides: Sequence[str] = ()

    @property
    def told(self) -> dict[str, Any]:
        """What of it may change the videos, as plain values."""
        return {"codec": self.codec and str(self.codec), "dtype": self.dtype, "overrides": list(self.overrides)}


def load_streamer(path: str | Path, *, wish: MemoryWish | None = None, equipment: Equipment | None = None) -> Streamer:
    """Build what an export notes about its streaming, or a released student of Wan2.1 from any file of weights.

    Args:
        path: an export of `reward-forcing train`, or whatever `networks.weights.load` reads.
        wish: how it is to remember, where that differs from the notes.
        equipment: codec, precision, device and further settings.

    Raises:
        ValueError: there are no such weights, they note something that is not installed, a file is missing, or a wish
            cannot be fulfilled.
    """
    equipment, found = equipment or Equipment(), inspect(path)
    noted = json.loads(found.notes["stream"]) if "stream" in found.notes else WAN_NOTES
    wish = wish or MemoryWish()
    config = config_of(noted, str(path), sink=wish.sink, overrides=equipment.overrides)
    _wish_in(config, wish)
    if found.layout == "ours" and "stream" not in found.notes:
        raise ValueError(f"{path}: nothing is noted about streaming; allowed: exports of `reward-forcing train`")
    if "codec" in noted["values"]:
        config.codec.path = str(codec_file(Path(path), equipment.codec, str(config.codec.path)))
    elif equipment.codec:
        config.codec.path = str(equipment.codec)
    geometry = configuration.build(config, "geometry")
    _require_latents(found.sizes, geometry, str(path))
    codec, text = configuration.build(config, "codec"), configuration.build(config, "text")
    network = load(path, dtype=equipment.dtype or _precision(found, equipment.device))
    _require_latents(network.sizes, geometry, str(path))
    return Streamer(
        network=network.requires_grad_(requires_grad=False).eval().to(equipment.device),
        codec=codec.to(equipment.device),
        text=text,
        rollout=configuration.build(config, "rollout"),
        geometry=geometry,
        name=str(config.hydra.runtime.choices["sink"]),
        fps=float(config.play.fps),
        about={"export": found.digest, "equipment": equipment.told, **noted.get("about", {})},
        told={
            "asked": {"export": str(path), **vars(wish), **equipment.told, "device": equipment.device},
            "config": configuration.plain(config),
            "network": {**network.sizes, "dtype": str(network.dtype).removeprefix("torch.")},
            "versions": versions(LIBRARIES),
        },
    )


def _require_latents(sizes: Mapping[str, Any], geometry: Geometry, path: str) -> None:
    """Refuse a network of other latents than are to be made, as far as its sizes are known."""
    for name in {"channels", "patch"} & {*sizes}:
        given, wanted = sizes[name], getattr(geometry, name)
        if given != wanted:
            raise ValueError(
                f"{path}: the network's {name} is {given}; geometry.{name} is {wanted}; they must be equal"
            )


def _precision(found: Inspection, device: str) -> Literal["float32", "bfloat16"]:
    return "bfloat16" if "cuda" in device and found.bytes > LARGE else "float32"


def _wish_in(config: Any, wish: MemoryWish) -> None:
    wished = {"sink.decay": wish.decay, "memory.window_frames": wish.window}
    for key, value in wished.items():
        group, _, name = key.partition(".")
        if value is not None and name not in config[group]:
            raise ConfigurationError(f"{key} is {value}; sink={config.hydra.runtime.choices['sink']} has no such value")
        if value is not None:
            config[group][name] = value
