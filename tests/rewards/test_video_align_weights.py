"""Reading the public checkpoint: folded, complete, trained, or refused."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reward_forcing.rewards.video_align.model import ScoreModel
from reward_forcing.rewards.video_align.weights import (
    NORMALISATION,
    QWEN2_VL_2B,
    load,
    network_config,
    our_name,
    read_settings,
    sorted_weights,
)
from tests.rewards.video_reward_folder import (
    ALPHA,
    RANK,
    fabricate,
    peft_weights,
    random_weights,
    settings,
    write_checkpoint,
    write_tokenizer,
)

LAYER = "model.layers.1.mlp.up_proj"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("video_reward") / "whole"
    return folder, fabricate(folder)


@pytest.fixture
def broken(whole: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """A copy to spoil."""
    folder = tmp_path / "broken"
    shutil.copytree(whole[0], folder)
    return folder, dict(whole[1])


def test_folded_weights_do_what_base_and_adaptor_did(whole: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = whole
    linear = load(folder, dtype=torch.float32).network.qwen.language_model.layers[1].mlp.up_proj
    base, down, up = (
        state[f"base_model.model.{LAYER}.{part}.weight"] for part in ("base_layer", "lora_A.default", "lora_B.default")
    )
    x = torch.randn(5, base.shape[1])
    assert torch.allclose(linear(x), x @ base.T + ALPHA / RANK * (x @ down.T) @ up.T, atol=1e-5)


def test_all_other_weights_arrive_bit_for_bit(whole: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = whole
    loaded = load(folder, dtype=torch.float32)
    found = loaded.network.state_dict()
    others = {our_name(name): value for name, value in state.items() if "_proj.weight" not in our_name(name)}
    kept = {name: value for name, value in others.items() if "lora_" not in name and not name.startswith("lm_head")}
    assert kept.keys() < found.keys()
    assert all(torch.equal(found[name], value) for name, value in kept.items())
    assert not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_not_folded_stays_in_the_file(whole: tuple[Path, dict[str, Tensor]]) -> None:
    loaded = load(whole[0], dtype=torch.float32)
    lines = [
        line.split() for line in Path("/proc/self/maps").read_text().splitlines() if str(loaded.checkpoint) in line
    ]
    ranges = [[int(end, 16) for end in line[0].split("-")] for line in lines]
    for name, value in loaded.network.named_parameters():
        mapped = any(first <= value.data_ptr() < last for first, last in ranges)
        assert mapped != ("language_model" in name and name.endswith("_proj.weight")), name


def test_rotations_are_those_of_a_fresh_network(whole: tuple[Path, dict[str, Tensor]]) -> None:
    loaded = load(whole[0])
    fresh = ScoreModel(network_config(whole[0], loaded.tokenizer), 1)
    found = dict(loaded.network.named_buffers())
    assert found.keys() == dict(fresh.named_buffers()).keys()
    for name, value in fresh.named_buffers():
        assert torch.equal(found[name], value), "fp32 also when the weights are bf16"
        assert found[name].dtype == torch.float32
    assert {value.dtype for value in loaded.network.parameters()} == {torch.bfloat16}


def test_newer_names_are_read_too(broken: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = broken
    old = {name: value.clone() for name, value in load(folder, dtype=torch.float32).network.state_dict().items()}
    mark = "base_model.model."
    newer = {
        name.replace(f"{mark}model.", f"{mark}model.language_model.").replace(
            f"{mark}visual.", f"{mark}model.visual."
        ): v
        for name, v in state.items()
    }
    write_checkpoint(folder, newer)
    new = load(folder, dtype=torch.float32).network.state_dict()
    assert all(torch.equal(new[name], value) for name, value in old.items())


def test_the_latest_checkpoint_is_taken(broken: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = broken
    head = "base_model.model.rm_head.weight"
    write_checkpoint(folder, {**state, head: state[head] + 1}, step=11)
    loaded = load(folder, dtype=torch.float32)
    assert loaded.checkpoint.parent.name == "checkpoint-11"
    assert torch.equal(loaded.network.rm_head.weight, state[head] + 1)


def test_a_checkpoint_without_adaptors_is_read_when_it_says_so(broken: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = broken
    plain = {name.replace(".base_layer", ""): value for name, value in state.items() if "lora_" not in name}
    write_checkpoint(folder, plain, peft_lora_config={"lora_enable": False})
    found = load(folder, dtype=torch.float32).network.qwen.language_model.layers[1].mlp.up_proj.weight
    assert torch.equal(found, plain[f"base_model.model.{LAYER}.weight"])
    write_checkpoint(folder, state, peft_lora_config={"lora_enable": False})
    with pytest.raises(ValueError, match="model.pth: it holds adaptors, for qwen.*says lora_enable is false"):
        load(folder)


def spoil(state: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    prefix = f"base_model.model.{LAYER}"
    head, norm = "base_model.model.rm_head.weight", "base_model.model.model.norm.weight"
    spoilt: dict[str, dict[str, Tensor | None]] = {
        "missing": {norm: None},
        "unexpected": {"base_model.model.model.more.weight": torch.ones(1)},
        "misshaped": {norm: torch.ones(7)},
        "no head": {head: None},
        "zero head": {head: torch.zeros_like(state[head])},
        "nan head": {head: state[head] * float("nan")},
        "no adaptor": {f"{prefix}.{part}.default.weight": None for part in ("lora_A", "lora_B")},
        "half adaptor": {f"{prefix}.lora_B.default.weight": None},
        "odd adaptor": {"base_model.model.visual.patch_embed.proj.lora_A.default.weight": torch.ones(RANK, 4)},
        "no base": {f"{prefix}.base_layer.weight": None},
        "untrained": {name: torch.zeros_like(value) for name, value in state.items() if "lora_B" in name},
        "rank": {
            f"{prefix}.{part}.default.weight": torch.cat([state[f"{prefix}.{part}.default.weight"]] * 2, dim=side)
            for side, part in enumerate(("lora_A", "lora_B"))
        },
    }
    return {name: value for name, value in (state | spoilt[how]).items() if value is not None}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "qwen.language_model.norm.weight is missing, and 0 more"),
        ("unexpected", "qwen.language_model.more.weight is unexpected, and 0 more"),
        ("misshaped", r"qwen.language_model.norm.weight is \[7\]; the network has \[32\]"),
        ("no head", "rm_head.weight is missing, so that scores would be random"),
        ("zero head", "rm_head.weight is zero or not finite"),
        ("nan head", "rm_head.weight is zero or not finite"),
        ("no adaptor", "no adaptor for qwen.language_model.layers.1.mlp.up_proj and 0 more of 14 linear layers"),
        ("half adaptor", "no adaptor for qwen.language_model.layers.1.mlp.up_proj"),
        ("odd adaptor", "qwen.visual.patch_embed.proj.lora_A.weight is unexpected"),
        ("no base", "the adaptor of qwen.language_model.layers.1.mlp.up_proj has no weight to fit to"),
        ("untrained", "all adaptors are zero, as before training: the head is random"),
        ("rank", "the adaptor of qwen.language_model.layers.1.mlp.up_proj has rank 4; model_config.json says 2"),
    ],
)
def test_a_spoilt_checkpoint_is_refused(broken: tuple[Path, dict[str, Tensor]], how: str, message: str) -> None:
    folder, state = broken
    write_checkpoint(folder, spoil(state, how))
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_another_number_of_words_is_a_misshaped_embedding(broken: tuple[Path, dict[str, Tensor]]) -> None:
    folder, state = broken
    words = "base_model.model.model.embed_tokens.weight"
    write_checkpoint(folder, {**state, words: state[words][:-3]})
    with pytest.raises(ValueError, match=r"embed_tokens.weight is \[\d+, 32\]; the network has"):
        load(folder)


def test_missing_files_are_named(broken: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    folder, _ = broken
    with pytest.raises(ValueError, match="model_config.json is missing; weights must be the folder of KlingTeam"):
        load(tmp_path)
    (folder / "checkpoint-7" / "model.pth").write_bytes(b"truncated")
    with pytest.raises(ValueError, match="model.pth: not a state dict that torch can read safely"):
        load(folder)
    torch.save([1, 2], folder / "checkpoint-7" / "model.pth")
    with pytest.raises(ValueError, match="not a state dict; it must map names to tensors"):
        load(folder)
    shutil.rmtree(folder / "checkpoint-7")
    with pytest.raises(ValueError, match="no checkpoint-STEP/model.pth in"):
        load(folder)


def test_code_in_a_checkpoint_is_not_run(broken: tuple[Path, dict[str, Tensor]]) -> None:
    folder, _ = broken
    torch.save({"x": Path("harmless")}, folder / "checkpoint-7" / "model.pth")
    with pytest.raises(ValueError, match="not a state dict that torch can read safely"):
        load(folder)


def write_settings(folder: Path, content: Any) -> Path:
    path = folder / "model_config.json"
    path.write_text(json.dumps(content))
    return path


def test_settings(tmp_path: Path) -> None:
    found = read_settings(write_settings(tmp_path, settings()))
    assert (found.output_dim, found.lora_rank, found.lora_scale) == (1, RANK, ALPHA / RANK)
    assert found.normalisation == {"VQ": (0.1, 0.5), "MQ": (-0.1, 2.0), "TA": (0.2, 1.5)}
    published = read_settings(write_settings(tmp_path, settings(inference_config=None)))
    assert published.normalisation == NORMALISATION
    stabilised = {"lora_enable": True, "lora_r": 4, "lora_alpha": 8, "use_rslora": True}
    assert read_settings(write_settings(tmp_path, settings(peft_lora_config=stabilised))).lora_scale == 4.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not VideoAlign's model_config.json"),
        (settings(peft_lora_config=None), r"not VideoAlign's model_config.json \(KeyError\('peft_lora_config'\)\)"),
        (settings(inference_config={"VQ_mean": 1.0}), "not VideoAlign's model_config.json"),
        (settings(model_config={"output_dim": 2}), "output_dim is 2 and reward_token 'special'; allowed: 1 or 3"),
        (settings(model_config={"output_dim": 1, "reward_token": "last"}), "reward_token 'last'"),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_settings(write_settings(tmp_path, content))


def test_the_public_sizes() -> None:
    """Bytes of the published file: weights, adaptors of rank 64, head and the word head, each in 2 bytes, and names."""
    from transformers import Qwen2VLConfig

    config = Qwen2VLConfig(**QWEN2_VL_2B)
    config.text_config.vocab_size = 151_660
    with torch.device("meta"):
        model = ScoreModel(config, 1)
    linears = [name for name in model.state_dict() if "_proj.weight" in name and "language_model" in name]
    assert len(linears) == 28 * 7
    adaptors = sum(64 * sum(model.get_parameter(name).shape) for name in linears)
    words = model.qwen.language_model.embed_tokens.weight.numel()
    values = sum(parameter.numel() for parameter in model.parameters()) + adaptors + words
    assert 0 < 5_031_072_529 - 2 * values < 1_000_000


def test_sorting_needs_no_order(whole: tuple[Path, dict[str, Tensor]]) -> None:
    _, state = whole
    rest, adaptors = sorted_weights(dict(reversed(state.items())))
    assert len(adaptors) == 14
    assert not any("lora_" in name or name.startswith("lm_head") for name in rest)


def test_the_helper_round_trips(tmp_path: Path) -> None:
    """Public names of random weights lead back to the same names."""
    write_tokenizer(tmp_path)
    state = fabricate(tmp_path)
    network = load(tmp_path).network
    assert peft_weights(random_weights(network)).keys() == state.keys()
