"""The conversation the judge reads: Qwen2-VL's chat form with the video before the question, as token numbers."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from reward_forcing.rewards.video_align.template import REWARD_TOKENS

VIDEO_TOKEN = "<|video_pad|>"  # noqa: S105 - no password
CHAT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    f"<|vision_start|>{VIDEO_TOKEN}<|vision_end|>{{}}<|im_end|>\n<|im_start|>assistant\n"
)
"""Qwen2-VL's default system message, the user's turn, and the opening of the answer."""


def conversations(
    tokenizer: Any, questions: Sequence[str], video_tokens: int
) -> tuple[Int[Tensor, "batch token"], Int[Tensor, "batch 3"]]:
    """Token numbers, filled up on the right, and where the three reward tokens are.

    Args:
        tokenizer: a transformers tokenizer that knows the special tokens.
        questions: filled templates.
        video_tokens: room for each video.

    Raises:
        ValueError: a question does not hold each reward token once, in order, or it holds the video token.
    """
    video = tokenizer.convert_tokens_to_ids(VIDEO_TOKEN)
    marks = tokenizer.convert_tokens_to_ids(list(REWARD_TOKENS))
    rows, places = [], []
    for question in questions:
        numbers = tokenizer(CHAT.format(question), add_special_tokens=False)["input_ids"]
        if numbers.count(video) != 1 or [number for number in numbers if number in marks] != marks:
            raise ValueError(
                f"rewards.video_align: a question must hold {', '.join(REWARD_TOKENS)} once each, in this order, and "
                f"no {VIDEO_TOKEN}; look at the template and the prompt: {question[-80:]!r}"
            )
        at = numbers.index(video)
        row = [*numbers[:at], *[video] * video_tokens, *numbers[at + 1 :]]
        rows.append(torch.tensor(row))
        places.append([row.index(mark) for mark in marks])
    filler = tokenizer.pad_token_id or 0
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=filler), torch.tensor(places)
