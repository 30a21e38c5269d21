"""A tiny VideoReward with random weights, on disk in the public checkpoint's form."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SIZES: dict[str, Any] = {
    "text_config": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
    },
    "vision_config": {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2},
}
RANK, ALPHA = 2, 4
CHAT_TOKENS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
INFERENCE = {"VQ_mean": 0.1, "VQ_std": 0.5, "MQ_mean": -0.1, "MQ_std": 2.0, "TA_mean": 0.2, "TA_std": 1.5}


def write_tokenizer(folder: Path) -> None:
    """Words and punctuation of a few sentences, and the chat's tokens; every other character is one of 256 bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the motion of the video, how good it looks, what the text asks for"] * 9, trainer)
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|endoftext|>")
    fast.add_tokens(list(CHAT_TOKENS), special_tokens=True)
    fast.save_pretrained(folder)


def settings(**changes: Any) -> dict[str, Any]:
    """A model_config.json; a change to None leaves a part out."""
    content = {
        "data_config": {"fps": 2.0, "sample_type": "uniform"},
        "model_config": {"output_dim": 1, "reward_token": "special", "use_special_tokens": True},
        "peft_lora_config": {"lora_enable": True, "lora_r": RANK, "lora_alpha": ALPHA, "use_rslora": False},
        "inference_config": INFERENCE,
    }
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def random_weights(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Random weights for a model, in which everything matters."""
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(value.shape, generator=rng) * 0.2 for name, value in model.state_dict().items()}


def peft_weights(plain: Mapping[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    """Weights by the names of the public file, with adaptors on all linear layers of the language model."""
    rng = torch.Generator().manual_seed(seed)
    state = {"base_model.model.lm_head.weight": torch.zeros(3, 3)}
    for name, value in plain.items():
        old = name.replace("qwen.language_model.", "model.").replace("qwen.", "")
        layer, _, kind = f"base_model.model.{old}".rpartition(".")
        if "_proj" not in old:
            state[f"{layer}.{kind}"] = value
            continue
        state[f"{layer}.base_layer.{kind}"] = value
        if kind == "weight":
            state[f"{layer}.lora_A.default.weight"] = torch.randn(RANK, value.shape[1], generator=rng) * 0.2
            state[f"{layer}.lora_B.default.weight"] = torch.randn(value.shape[0], RANK, generator=rng) * 0.2
    return state


def write_checkpoint(folder: Path, state: Mapping[str, Tensor], step: int = 7, **changes: Any) -> None:
    """Write weights and settings; the tokenizer must be there already."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state), checkpoint / "model.pth")
    (folder / "model_config.json").write_text(json.dumps(settings(**changes)))
    (folder / "config.json").write_text(json.dumps(SIZES))


def fabricate(folder: Path, output_dim: int = 1) -> dict[str, Tensor]:
    """A whole folder; returns what model.pth holds."""
    from reward_forcing.rewards.video_align.model import ScoreModel
    from reward_forcing.rewards.video_align.weights import load_tokenizer, network_config

    folder.mkdir(exist_ok=True)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(SIZES))
    with torch.device("meta"):
        model = ScoreModel(network_config(folder, load_tokenizer(folder)), output_dim)
    state = peft_weights(random_weights(model))
    write_checkpoint(folder, state, model_config={"output_dim": output_dim, "reward_token": "special"})
    return state
