"""The public VideoReward checkpoint (a whole PEFT state dict) as a plain network: adaptors folded in, nothing missing.

Layout: `model_config.json`, `checkpoint-STEP/model.pth`, tokenizer files. The file is mapped, not read: what is not
folded stays in it until it moves to a device, so that the weights are never there twice. It must not be overwritten
meanwhile.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from reward_forcing.codecs.files import first_line, unpickled
from reward_forcing.rewards.video_align.conversation import VIDEO_TOKEN
from reward_forcing.rewards.video_align.model import ScoreModel
from reward_forcing.rewards.video_align.template import REWARD_TOKENS

QWEN2_VL_2B: Final[dict[str, Any]] = {
    "text_config": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "num_heads": 16, "mlp_ratio": 4},
}
"""Sizes of Qwen2-VL-2B-Instruct, from its published config.json."""

NORMALISATION: Final = {"VQ": (3.6757, 2.2476), "MQ": (1.1646, 1.3811), "TA": (2.8105, 2.5121)}
"""Mean and standard deviation of each score, from the published model_config.json."""


@dataclass(frozen=True)
class Settings:
    """What model_config.json says.

    Args:
        output_dim: heads, 1 or 3.
        lora_rank: rank of the adaptors; 0: there are none.
        lora_scale: factor of their product.
        normalisation: mean and standard deviation of VQ, MQ, TA.
    """

    output_dim: int
    lora_rank: int
    lora_scale: float
    normalisation: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Loaded:
    """A judge ready to be asked.

    Args:
        network: frozen, in evaluation mode, on the CPU.
        tokenizer: knows the reward tokens.
        settings: what model_config.json says.
        checkpoint: file that the weights are from.
    """

    network: ScoreModel
    tokenizer: Any
    settings: Settings
    checkpoint: Path


def load(folder: str | Path, *, tokenizer: str | Path | None = None, dtype: torch.dtype = torch.bfloat16) -> Loaded:
    """The judge in a folder of KlingTeam/VideoReward's layout.

    Args:
        folder: with model_config.json and checkpoint-*/model.pth, of which the latest is taken. A config.json of
            Qwen2-VL gives other sizes than those of Qwen2-VL-2B.
        tokenizer: folder with the tokenizer's files; None: the same.
        dtype: of the weights.

    Raises:
        ValueError: a file is missing or no such checkpoint; weights are missing, unexpected or of another shape (the
            first is named); an adaptor is missing; or the head was never trained (see require_trained).
    """
    folder = Path(folder)
    settings = read_settings(folder / "model_config.json")
    words = load_tokenizer(Path(tokenizer or folder))
    checkpoint = latest_checkpoint(folder)
    with torch.device("meta"):
        network = ScoreModel(network_config(folder, words), settings.output_dim)
    state, adaptors = sorted_weights(read_weights(checkpoint))
    require_adaptors(network, adaptors, settings, checkpoint)
    require_trained(state, adaptors, checkpoint)
    for name, (down, up) in adaptors.items():
        fold(state, name, down, up, scale=settings.lora_scale)
    require_match(network, state, checkpoint)
    network.load_state_dict({name: value.to(dtype) for name, value in state.items()}, assign=True)
    compute_rotations(network)
    return Loaded(network.eval().requires_grad_(requires_grad=False), words, settings, checkpoint)


def read_settings(path: Path) -> Settings:
    """What model_config.json says. Raises ValueError when it is missing, or not of a judge this code can run."""
    if not path.is_file():
        raise ValueError(
            f"rewards.video_align: {path} is missing; weights must be the folder of KlingTeam/VideoReward, with "
            "model_config.json, checkpoint-*/model.pth and the tokenizer"
        )
    try:
        content = json.loads(path.read_text("utf-8"))
        model, lora = content["model_config"], content["peft_lora_config"]
        output_dim, reader = int(model.get("output_dim", 1)), model.get("reward_token", "special")
        rank = int(lora["lora_r"]) if lora["lora_enable"] else 0
        root = rank**0.5 if lora.get("use_rslora") else rank
        scale = lora["lora_alpha"] / root if rank else 0.0
        normalisation = read_normalisation(content.get("inference_config"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not VideoAlign's model_config.json ({error!r})") from error
    if output_dim not in (1, 3) or reader != "special":
        raise ValueError(
            f"{path}: output_dim is {output_dim} and reward_token {reader!r}; allowed: 1 or 3, and 'special'"
        )
    return Settings(output_dim, rank, scale, normalisation)


def read_normalisation(inference: Mapping[str, float] | None) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of each score; without `inference_config`, those of the public checkpoint."""
    if not inference:
        return dict(NORMALISATION)
    return {name: (float(inference[f"{name}_mean"]), float(inference[f"{name}_std"])) for name in NORMALISATION}


def latest_checkpoint(folder: Path) -> Path:
    """The model.pth of the highest step. Raises ValueError when there is none."""
    found = {
        int(path.parent.name.removeprefix("checkpoint-")): path
        for path in folder.glob("checkpoint-*/model.pth")
        if path.parent.name.removeprefix("checkpoint-").isdigit()
    }
    if not found:
        raise ValueError(f"rewards.video_align: no checkpoint-STEP/model.pth in {folder}")
    return found[max(found)]


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, with the three reward tokens added in order if it lacks them.

    Raises:
        ValueError: there is none, or it is not Qwen2-VL's.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        said = first_line(error)
        raise ValueError(f"rewards.video_align: no tokenizer of Qwen2-VL in {folder} ({said})") from error
    if VIDEO_TOKEN not in tokenizer.get_vocab():
        raise ValueError(f"rewards.video_align: the tokenizer in {folder} does not know {VIDEO_TOKEN}: not Qwen2-VL's")
    tokenizer.add_tokens(list(REWARD_TOKENS), special_tokens=True)
    return tokenizer


def network_config(folder: Path, tokenizer: Any) -> Any:
    """Sizes of the network: those in config.json, else Qwen2-VL-2B's; as many words as the tokenizer has."""
    from transformers import Qwen2VLConfig

    path = folder / "config.json"
    content = json.loads(path.read_text("utf-8")) if path.is_file() else QWEN2_VL_2B
    config = Qwen2VLConfig(**content)
    config.video_token_id = tokenizer.convert_tokens_to_ids(VIDEO_TOKEN)
    config.text_config.vocab_size = len(tokenizer)
    return config


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a file, mapped, by their names there. Raises ValueError when it is not a state dict."""
    try:
        content = unpickled(path)
    except ValueError as error:
        raise ValueError(f"{path}: not a state dict that torch can read safely ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path}: not a state dict; it must map names to tensors")
    return content


Adaptors: TypeAlias = dict[str, tuple[Tensor, Tensor]]
"""Name of a linear layer -> the two factors of what is to be added to its weight."""

ADAPTOR: Final = re.compile(r"(?P<layer>.+)\.lora_(?P<factor>[AB])\.(?:[^.]+\.)?weight")


def sorted_weights(raw: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Adaptors]:
    """Weights by our names, and the adaptors; the language model's unused word head is left out.

    A factor without its partner stays among the weights, where it is unexpected.
    """
    rest: dict[str, Tensor] = {}
    factors: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
    for name, value in raw.items():
        ours = our_name(name)
        if found := ADAPTOR.fullmatch(ours):
            factors[found["factor"]][found["layer"]] = value
        elif not ours.startswith("lm_head."):
            rest[ours] = value
    downs, ups = factors["A"], factors["B"]
    rest |= {f"{layer}.lora_A.weight": downs[layer] for layer in downs.keys() - ups.keys()}
    rest |= {f"{layer}.lora_B.weight": ups[layer] for layer in ups.keys() - downs.keys()}
    return rest, {layer: (downs[layer], ups[layer]) for layer in downs.keys() & ups.keys()}


def our_name(name: str) -> str:
    """A name of PEFT's state dict (transformers before 4.52, or later) as a name of ScoreModel's.

    >>> our_name("base_model.model.model.layers.0.mlp.up_proj.base_layer.weight")
    'qwen.language_model.layers.0.mlp.up_proj.weight'
    """
    name = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
    if name.startswith("visual."):
        return f"qwen.{name}"
    if name.startswith(("model.visual.", "model.language_model.")):
        return f"qwen.{name.removeprefix('model.')}"
    return f"qwen.language_model.{name.removeprefix('model.')}" if name.startswith("model.") else name


def fold(state: dict[str, Tensor], name: str, down: Tensor, up: Tensor, *, scale: float) -> None:
    """Add an adaptor to its weight, in fp32, rounded once: W + scale B A (Hu et al. 2021)."""
    weight = state.get(f"{name}.weight")
    if weight is None or weight.shape != (up.shape[0], down.shape[1]):
        raise ValueError(f"rewards.video_align: the adaptor of {name} has no weight to fit to")
    state[f"{name}.weight"] = (weight.float() + scale * (up.float() @ down.float())).to(weight.dtype)


def require_adaptors(network: ScoreModel, adaptors: Adaptors, settings: Settings, place: Path) -> None:
    """Raise ValueError unless every linear layer of the language model has an adaptor of the stated rank."""
    linears = {
        f"qwen.language_model.{name}"
        for name, module in network.qwen.language_model.named_modules()
        if isinstance(module, nn.Linear)
    }
    if not settings.lora_rank:
        if adaptors:
            raise ValueError(
                f"{place}: it holds adaptors, for {min(adaptors)}; model_config.json says lora_enable is false"
            )
        return
    if missed := sorted(linears - adaptors.keys()):
        raise ValueError(
            f"{place}: no adaptor for {missed[0]} and {len(missed) - 1} more of {len(linears)} linear layers"
        )
    for name, (down, up) in adaptors.items():
        if down.shape[0] != settings.lora_rank or up.shape[1] != settings.lora_rank:
            raise ValueError(
                f"{place}: the adaptor of {name} has rank {down.shape[0]}; model_config.json says {settings.lora_rank}"
            )


def require_trained(state: Mapping[str, Tensor], adaptors: Adaptors, place: Path) -> None:
    """Raise ValueError when the head cannot have been trained.

    Its values cannot tell: training moves them too little. Sure signs of a head at its initialisation, or of none, are
    a missing, zero or non-finite head, and adaptors that are still zero as every LoRA begins, since both are trained
    together.
    """
    head = state.get("rm_head.weight")
    if head is None:
        raise ValueError(f"{place}: rm_head.weight is missing, so that scores would be random")
    if not head.isfinite().all() or not head.any():
        raise ValueError(f"{place}: rm_head.weight is zero or not finite: not a trained judge")
    if adaptors and not any(up.any() for _, up in adaptors.values()):
        raise ValueError(f"{place}: all adaptors are zero, as before training: the head is random")


def require_match(network: ScoreModel, state: Mapping[str, Tensor], place: Path) -> None:
    """Raise ValueError, naming the first, when weights are missing, unexpected or misshaped."""
    wanted = {name: value.shape for name, value in network.state_dict().items()}
    for kind, names in (
        ("missing", sorted(wanted.keys() - state.keys())),
        ("unexpected", sorted(state.keys() - wanted.keys())),
    ):
        if names:
            raise ValueError(f"{place}: {names[0]} is {kind}, and {len(names) - 1} more")
    for name, shape in wanted.items():
        if state[name].shape != shape:
            raise ValueError(f"{place}: {name} is {list(state[name].shape)}; the network has {list(shape)}")


def compute_rotations(network: ScoreModel) -> None:
    """Replace rotary tables that were only outlined on the meta device; they are no weights, so no file holds them."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if any(buffer.is_meta for buffer in child.buffers(recurse=False)):
                built: Any = child
                setattr(module, name, type(built)(built.config))
