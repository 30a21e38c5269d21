"""Which networks a composed config trains with, and how large they are; no weights are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from reward_forcing.networks.sources import inspect
from reward_forcing.plan.costs import Sizes

Node: TypeAlias = Mapping[str, Any]

PUBLISHED: Final = {
    "1.3B": Sizes(channels=16, dim=1536, ffn_dim=8960, heads=12, layers=30, text_dim=4096),
    "14B": Sizes(channels=16, dim=5120, ffn_dim=13824, heads=40, layers=40, text_dim=4096),
}
"""Wan2.1's, by what their folders are called."""

TRAINED: Final = ("student", "fake_score", "teacher")
"""Names under which modules hold networks that learn."""

WIDTHS: Final = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a number."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network of a run.

    Args:
        name: its role.
        sizes: of it.
        width: bytes of a parameter.
        learning: parameters that an optimiser has.
        checkpointing: share of its blocks, whole ones, that is recomputed in the backward pass.
        averaged: whether there is an average of it.
        eight_bits: whether the linear layers of its blocks are in eight bits.
    """

    name: str
    sizes: Sizes
    width: int
    learning: int
    checkpointing: float
    averaged: bool
    eight_bits: bool = False

    @property
    def weights(self) -> int:
        """Bytes of the parameters; in eight bits every output has its scale and what is added to it in fp32."""
        if not self.eight_bits:
            return self.sizes.parameters * self.width
        written, outputs = (self.sizes.layers * count for count in self.sizes.block_linears)
        return (self.sizes.parameters - written - outputs) * self.width + written + 8 * outputs


def networks_of(values: Node) -> dict[str, Network]:
    """The networks of a module, by role; none in a module that has none (that of a codec).

    Args:
        values: a composed config, resolved.
    """
    module = values["module"]
    found = {
        name: _network(name, module[name], values, averaged=name != "fake_score", learns=True)
        for name in TRAINED
        if isinstance(module.get(name), Mapping)
    }
    for holder in (module.get("frozen"), module.get("objective")):
        if isinstance(holder, Mapping) and isinstance(holder.get("teacher"), Mapping):
            made = _network("teacher", holder["teacher"], values, averaged=False, learns=False)
            found["teacher"] = replace(made, eight_bits=holder.get("teacher_linears", "exact") != "exact")
    return found


def _network(name: str, node: Node, values: Node, *, averaged: bool, learns: bool) -> Network:
    sizes = sizes_of(node, values.get("networks", {}))
    learning = lora_parameters(sizes, node["lora"]) if "lora" in node else sizes.parameters
    return Network(
        name=name,
        sizes=sizes,
        width=WIDTHS[node.get("dtype") or "float32"],
        learning=learning if learns else 0,
        checkpointing=round((node.get("checkpointing") or 0) * sizes.layers) / sizes.layers,
        averaged=averaged,
    )


def sizes_of(node: Node, default: Node) -> Sizes:
    """The sizes of the network that a node makes or loads.

    A node that makes one has them. For one that loads, in this order: what the source itself tells, if it is there;
    the published model that the source is called after; the network that the config chose. `sizes` of the node
    override all.
    """
    if "dim" in node:
        return _sizes(node)
    source = str(node.get("source", ""))
    told: Node = inspect(source).sizes if Path(source).exists() else {}
    named = re.search(r"(?<![\d.])(1\.3B|14B)(?![\w])", source)
    known: Node = vars(PUBLISHED[named[1]]) if named else default
    return _sizes({**known, **told, **(node.get("sizes") or {})})


def _sizes(values: Node) -> Sizes:
    return Sizes(**{field.name: values[field.name] for field in fields(Sizes) if field.name in values})


def lora_parameters(sizes: Sizes, lora: Node) -> int:
    """Parameters of low-rank adapters: `rank (inputs + outputs)` for each layer."""
    attention = dict.fromkeys(("q", "k", "v", "o"), (2, 2 * sizes.dim))
    ends = dict.fromkeys(("ffn.0", "ffn.2"), (1, sizes.dim + sizes.ffn_dim))
    layers: dict[str, tuple[int, int]] = {**attention, **ends}
    chosen: Any = lora.get("targets") or list(layers)
    counted = sum(layers[name][0] * layers[name][1] for name in chosen if name in layers)
    return sizes.layers * int(lora["rank"]) * counted
