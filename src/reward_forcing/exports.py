"""What a run leaves behind: networks as files that know where they come from and how to be streamed."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from reward_forcing.run_folder import RunFolder

STREAM_GROUPS = ("geometry", "codec", "text", "sink", "memory", "rollout")
"""What an export must know to be streamed, besides its weights."""


def export(networks: Mapping[str, Any], folder: RunFolder, notes: Mapping[str, str]) -> list[Path]:
    """Write what a training was for, one file a network."""
    from reward_forcing.codecs.toy_codec import ToyCodec, save_codec
    from reward_forcing.networks.weights import save

    paths = []
    for name, network in networks.items():
        paths.append(folder.path / f"{name}.safetensors")
        write = save_codec if isinstance(network, ToyCodec) else save
        write(paths[-1], network, notes)
    return paths


def notes_of(
    config: DictConfig, values: Mapping[str, Any], *, reward: str = "", sink: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, str]:
    """What an export tells about its making, and what streaming it takes: `stream`, as JSON.

    `stream` names the options chosen in some groups and their plain values, never classes: a file from elsewhere can
    choose among what is installed here, and nothing more.

    Args:
        config: composed.
        values: the same, resolved.
        reward: what the reward calls itself, for reports (a judge may be uncalibrated).
        sink: what the sink learned, as plain values.
    """
    choices = config.hydra.runtime.choices
    stream = {
        "choices": {group: choices[group] for group in STREAM_GROUPS},
        "values": {group: _bare(values[group]) for group in STREAM_GROUPS},
        "about": {"trained_as": values["name"], "training_seed": values["seed"]},
    }
    stream["values"]["sink"] |= sink
    if choices["module"] == "distillation":
        stream["about"] |= {"loss": choices["loss"], "reward": ": ".join(filter(None, [choices["reward"], reward]))}
    for group, node in values["streaming"].items():
        stream["choices"][group] = node["option"]
        stream["values"][group] = {key: value for key, value in node.items() if key != "option"}
    return {
        "name": str(values["name"]),
        "stream": json.dumps(stream),
        "config": OmegaConf.to_yaml(OmegaConf.create(dict(values))),
    }


def judge_of(module: Any) -> str:
    """What the reward of a training calls itself; nothing where there is none, or it has no name of its own."""
    judge = getattr(getattr(module, "frozen", None), "reward", None)
    return str(getattr(judge, "label", ""))


def sink_of(module: Any) -> dict[str, Any]:
    """What the sink of a training learned, on average, as plain values; nothing where none did."""
    from reward_forcing.memory.learning import plain_values

    return plain_values(dict(getattr(module, "sink_ema", {})))


def _bare(node: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a node, without what it is made of."""
    return {key: value for key, value in node.items() if not key.startswith("_") and not isinstance(value, Mapping)}
