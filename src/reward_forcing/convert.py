"""Making released files ready: weights into another layout, prompts into embeddings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from reward_forcing.codecs.protocols import LatentCodec
from reward_forcing.composition import configuration
from reward_forcing.networks.sources import inspect
from reward_forcing.networks.weights import Precision, load, save
from reward_forcing.streaming import WAN_NOTES


def convert(
    source: str | Path,
    target: Path,
    *,
    layout: Literal["ours", "official", "diffusers"] = "ours",
    dtype: Precision = "bfloat16",
    which: str | None = None,
    sizes: Mapping[str, Any] | None = None,
) -> str:
    """Read weights of any layout and write them in another: `reward-forcing convert`.

    Args:
        source: see `networks.weights.load`.
        target: file ("ours") or folder.
        layout: to write.
        dtype: precision in the file.
        which: of a container or run.
        sizes: that nothing in the source tells.

    Returns:
        What was read as what, and what can be done next.

    Raises:
        ValueError: the target is there already or has the wrong ending, or the source cannot be read.
    """
    if target.exists():
        raise ValueError(f"convert: {target} is there already; remove it, or write elsewhere")
    if layout == "ours" and target.suffix != ".safetensors":
        raise ValueError(f"convert: {target} is to be a file of ours; its name must end in .safetensors")
    if layout != "ours" and target.suffix == ".safetensors":
        raise ValueError(f"convert: {target} is to be a folder ({layout}); its name must not end in .safetensors")
    found = inspect(source)
    network = load(source, dtype=dtype, which=which, sizes=sizes)
    notes = {"name": Path(str(source)).stem, "stream": json.dumps(WAN_NOTES), **found.notes}
    save(target, network, notes, layout=layout)
    count = sum(parameter.numel() for parameter in network.parameters())
    lines = [f"read {found}: {count:,} parameters", f"wrote {target} ({layout}, {dtype})"]
    if layout == "ours":
        lines.append(f"next: reward-forcing generate {target} --prompts prompts.txt")
    return "\n".join(lines)


def embed(prompts: Sequence[str], overrides: Sequence[str] = ()) -> str:
    """Encode prompts, and the negative one, into the cache on disk: `reward-forcing data embed`.

    Args:
        prompts: to encode; those that are there already are skipped, and an interrupted run continues.
        overrides: of the config `stream` with text=umt5_cached and checkpoints=wan.

    Returns:
        What was done, and what can be done next.

    Raises:
        ValueError: a file is missing, or an override does not fit.
    """
    fixed = ["checkpoints=wan", "geometry=wan_480p", "codec=wan", "text=umt5_cached"]
    text = configuration.build(configuration.compose([*fixed, *overrides], name="stream"), "text")
    before = len(text.store)
    text.prepare(["", *prompts])
    added, folder = len(text.store) - before, text.store.folder
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    return (
        f"{folder}: {added} prompts encoded, {len(text.store)} there, {size:.1f} MB\n"
        f"next: reward-forcing generate STUDENT --prompts PROMPTS --set checkpoints.embeddings={folder}"
    )


def load_codec(option: str, path: Path | None = None) -> LatentCodec:
    """A codec by its config option, for `reward-forcing data shards`.

    Args:
        option: of configs/codec.
        path: its file or folder; None: as configs/checkpoints says (wan.yaml, or shipped.yaml for the toy codec).

    Raises:
        ValueError: there is no such option or file.
    """
    where = [f'codec.path="{path}"'] if path else []
    checkpoints = "shipped" if option == "toy" else "wan"
    config = configuration.compose([f"checkpoints={checkpoints}", f"codec={option}", *where], name="stream")
    codec: LatentCodec = configuration.build(config, "codec")
    return codec
