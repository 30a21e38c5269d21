"""The network: read at three tokens, positions along one axis, causal, samples apart."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from reward_forcing.rewards.video_align import frames
from reward_forcing.rewards.video_align.conversation import conversations
from reward_forcing.rewards.video_align.template import read
from reward_forcing.rewards.video_align.weights import Loaded, load
from tests.rewards.video_reward_folder import fabricate

PROMPTS = ("a dog", "a cat that runs after a ball")


@pytest.fixture(scope="module", params=[1, 3], ids=["one head", "three heads"])
def judge(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder: Path = tmp_path_factory.mktemp("video_reward")
    fabricate(folder, request.param)
    return load(folder, dtype=torch.float32)


def inputs(judge: Loaded, prompts: tuple[str, ...] = PROMPTS) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    video = torch.rand(len(prompts), 4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels, grids = frames.patches(frames.levels(video))
    tokens, places = conversations(
        judge.tokenizer, [read(None).filled(prompt) for prompt in prompts], frames.tokens_of(grids)
    )
    return pixels, grids, tokens, places


def stock(judge: Loaded, data: tuple[Tensor, Tensor, Tensor, Tensor], positions: Tensor | None) -> Tensor:
    """Scores through transformers' own multimodal forward, with the padding masked."""
    pixels, grids, tokens, places = data
    kinds = (tokens == judge.network.video_token).int() * 2
    hidden = judge.network.qwen(
        input_ids=tokens,
        attention_mask=(tokens != judge.tokenizer.pad_token_id).long(),
        position_ids=positions,
        pixel_values_videos=pixels,
        video_grid_thw=grids,
        mm_token_type_ids=kinds,
    ).last_hidden_state
    read = torch.stack([row[place] for row, place in zip(hidden, places, strict=True)])
    scores = read @ judge.network.rm_head.weight.T
    heads = [0, 0, 0] if scores.shape[-1] == 1 else [0, 1, 2]
    return torch.stack([scores[:, dimension, head] for dimension, head in enumerate(heads)], dim=1)


def test_positions_run_along_one_axis_other_than_in_the_stock_model(judge: Loaded) -> None:
    data = inputs(judge)
    found = judge.network(*data)
    line = torch.arange(data[2].shape[1]).expand(3, *data[2].shape)
    assert torch.allclose(found, stock(judge, data, line), atol=1e-5)
    assert not torch.allclose(found, stock(judge, data, None), atol=1e-3)


def test_only_text_alignment_knows_the_prompt(judge: Loaded) -> None:
    pixels, grids, *words = inputs(judge)
    other = inputs(judge, ("something else", "a quiet lake"))
    first, second = judge.network(pixels, grids, *words), judge.network(pixels, grids, *other[2:])
    assert torch.allclose(first[:, :2], second[:, :2], atol=1e-5)
    assert (first[:, 2] - second[:, 2]).abs().min() > 1e-4


def test_a_batch_is_its_samples(judge: Loaded) -> None:
    pixels, grids, tokens, places = inputs(judge)
    together = judge.network(pixels, grids, tokens, places)
    for index, part in enumerate(pixels.chunk(2)):
        alone = judge.network(part, grids[:1], tokens[index : index + 1], places[index : index + 1])
        assert torch.allclose(alone[0], together[index], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_padding_does_not_matter(judge: Loaded) -> None:
    pixels, grids, tokens, places = inputs(judge)
    longer = torch.nn.functional.pad(tokens, (0, 9), value=5)
    assert torch.allclose(
        judge.network(pixels, grids, longer, places), judge.network(pixels, grids, tokens, places), atol=1e-5
    )
