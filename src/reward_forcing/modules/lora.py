"""Low-rank adapters (LoRA, through peft): a student learns in a few new matrices, its own weights stand still."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reward_forcing.modules.sharding import gathered, rebuilt, whole
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import Precision, load

ADAPTER = "default"
"""peft's name for the only adapter."""

BLOCK_LINEARS = ("q", "k", "v", "o", "ffn.0", "ffn.2")
"""The linear layers of a transformer block: of both attentions and the feed-forward part."""


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Which layers get an adapter, and how large: `W + alpha / rank * up @ down`, at first `W` itself.

    Args:
        rank: columns of `up`, rows of `down`.
        alpha: strength.
        targets: linear layers of transformer blocks, by the end of their names.

    Raises:
        ValueError: a number is not positive, or there are no targets.
    """

    rank: int
    alpha: float
    targets: Sequence[str] = BLOCK_LINEARS

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not self.targets:
            raise ValueError(
                f"student_lora: rank is {self.rank}, alpha {self.alpha}, targets {list(self.targets)}; "
                "allowed: at least 1, above 0, at least one"
            )


def adapt(network: WanTransformer, lora: LoRA) -> None:
    """Give a network adapters, in place; from then on they alone learn.

    Raises:
        ValueError: peft is not installed, or a target is no layer of the blocks.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError("student_lora: peft is not installed; allowed: null, or pip install peft") from error
    names = [name for name, _ in network.blocks.named_modules()]
    for target in lora.targets:
        if not any(name.endswith(f".{target}") for name in names):
            raise ValueError(f"student_lora.targets: no layer of a block ends in {target!r}; allowed: {BLOCK_LINEARS}")
    chosen = rf"blocks\..*\.({'|'.join(target.replace('.', '[.]') for target in lora.targets)})"
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=chosen)
    inject_adapter_in_model(config, network, ADAPTER)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = ".lora_" in name


def load_adapted(
    source: str | Path,
    *,
    lora: LoRA,
    dtype: Precision = "float32",
    norm_dtype: Literal["float32"] | None = None,
    checkpointing: bool | float = False,
) -> WanTransformer:
    """A network from a file, with adapters; arguments and errors as those of `weights.load` and `adapt`."""
    network = load(source, dtype=dtype, norm_dtype=norm_dtype, checkpointing=checkpointing)
    adapt(network, lora)
    return network


def merged(network: WanTransformer) -> WanTransformer:
    """The whole network with its adapters added to its weights; one without adapters is itself.

    Every process must ask, if the network is sharded.
    """
    scales = {
        name: float(layer.scaling[ADAPTER]) for name, layer in network.named_modules() if hasattr(layer, "lora_A")
    }
    if not scales:
        return whole(network)
    tensors = gathered(network)
    for name, scale in scales.items():
        down, up = (tensors.pop(f"{name}.{part}.{ADAPTER}.weight") for part in ("lora_A", "lora_B"))
        weight = f"{name}.base_layer.weight"
        tensors[weight] = tensors[weight] + scale * up @ down
    return rebuilt(network, {name.replace(".base_layer", ""): tensor for name, tensor in tensors.items()})
