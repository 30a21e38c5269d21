"""What `reward-forcing data` does: render a toy world into shards, encode shards, look at shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from reward_forcing.codecs.toy_codec import load_codec
from reward_forcing.data.manifest import Manifest
from reward_forcing.data.shards import Shards
from reward_forcing.data.toy import ToyClips, codec_digest, encode, read_states
from reward_forcing.data.writing import Sample, write_shards
from reward_forcing.toy.render import render
from reward_forcing.toy.world import WorldConfig
from reward_forcing.videos import Clip, Frames, filmstrip, spread, to_uint8


def make_shards(
    folder: Path,
    *,
    clips: int = 256,
    frames: int = 21,
    seed: int = 0,
    plain_fraction: float = 0.3,
    codec: Path | None = None,
    pixels: bool = True,
) -> str:
    """Render a toy world: `reward-forcing data make`. An interrupted run goes on where it stopped.

    Args:
        folder: to write into.
        clips: how many.
        frames: length of each.
        seed: of the scenes.
        plain_fraction: share of clips from the easy world.
        codec: file of a codec; given one, latents are stored too.
        pixels: whether the pixels are stored.

    Raises:
        ValueError: a number is out of range, the codec is unreadable or the folder holds something else.
    """
    world = WorldConfig(plain_fraction=plain_fraction)
    loaded = None if codec is None else load_codec(codec)
    ToyClips(world=world, clips=clips, frames=frames, seed=seed, codec=loaded, pixels=pixels).write(folder)
    return report(Shards(folder))


def encode_shards(source: Path, folder: Path, *, codec: Path, keep_pixels: bool = False) -> str:
    """Turn shards with pixels into shards with latents: `reward-forcing data encode`.

    Args:
        source: folder of shards with `video.npy`.
        folder: to write into.
        codec: file of the codec.
        keep_pixels: whether the pixels are copied too. All other fields are.

    Raises:
        ValueError: the source has no pixels or is damaged, the codec is unreadable or the folder holds something else.
    """
    shards, network = Shards(source), load_codec(codec)
    shards.require("video.npy")
    dropped = {"latents.npy"} | (set() if keep_pixels else {"video.npy"})
    kept = [name for name in shards.manifest.fields if name not in dropped]

    def samples(numbers: range) -> Iterator[Sample]:
        for number in numbers:
            video = torch.from_numpy(shards.array(number, "video.npy"))[None]
            yield {"latents.npy": encode(network, video)[0], **{name: _value(shards, number, name) for name in kept}}

    origin = {**shards.manifest.origin, "codec": codec_digest(network), "pixels": keep_pixels}
    write_shards(folder, samples, clips=len(shards), origin=origin)
    return report(Shards(folder))


def inspect_shards(folder: Path, *, picture: Path | None = None, clips: int = 8, verify: bool = False) -> str:
    """What a folder of shards holds: `reward-forcing data inspect`.

    Args:
        folder: of the shards.
        picture: PNG to write, one clip a row; pixels are rendered from the states when they are not stored.
        clips: rows of the picture, and captions in the report.
        verify: whether every shard is compared with its checksum.

    Raises:
        ValueError: the folder is incomplete or damaged, or a picture is wanted and there is nothing to draw.
    """
    if clips < 1:
        raise ValueError(f"data inspect: clips is {clips}; it must be at least 1")
    shards = Shards(folder)
    if verify:
        shards.verify()
    shown = spread(len(shards), clips)
    lines = [report(shards)]
    if shards.has("caption.txt"):
        lines += [f"  clip {clip}: {shards.text(clip)}" for clip in shown]
    if picture is not None:
        contact_sheet(shards, shown).save(picture)
        lines.append(f"picture: {picture}")
    return "\n".join(lines)


def report(shards: Shards) -> str:
    """Counts, shapes and origin, for people."""
    manifest: Manifest = shards.manifest
    size = sum(shard.bytes for shard in manifest.shards) / 1e6
    lines = [f"{shards.folder}: {manifest.clips} clips, {len(manifest.shards)} shard files, {size:.1f} MB"]
    lines += [f"  {name}: {field.dtype} {list(field.shape) or ''}".rstrip() for name, field in manifest.fields.items()]
    lines += [f"  {name}: {value}" for name, value in manifest.origin.items()]
    return "\n".join(lines)


def contact_sheet(shards: Shards, clips: list[int], columns: int = 8) -> Image.Image:
    """A picture with one clip a row, its frames from left to right. Raises ValueError when there is nothing to draw."""
    videos = [pixels(shards, clip) for clip in clips]
    rows = [filmstrip(Clip(video, fps=1.0), spread(len(video), columns), scale=3) for video in videos]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    for number, row in enumerate(rows):
        sheet.paste(row, (0, number * row.height))
    return sheet


def pixels(shards: Shards, clip: int) -> Frames:
    """The levels of one clip: as stored, or rendered again from its state. Raises ValueError when it has neither."""
    if shards.has("video.npy"):
        return torch.from_numpy(shards.array(clip, "video.npy"))
    return to_uint8(render(read_states([shards.record(clip)])))[0]


def _value(shards: Shards, clip: int, field: str) -> Any:
    if field.endswith(".npy"):
        return shards.array(clip, field)
    return shards.record(clip, field) if field.endswith(".json") else shards.text(clip, field)
