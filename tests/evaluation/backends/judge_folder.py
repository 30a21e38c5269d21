"""A tiny Qwen2-VL with random weights, processor and chat template, on disk as transformers keeps it."""

from pathlib import Path
from typing import Any

import torch

from tests.rewards.video_reward_folder import SIZES, write_tokenizer

TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
}
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_processor(folder: Path, chat: str | None = CHAT) -> Any:
    """Tokenizer, preparation of pictures, chat form; the tokenizer."""
    from transformers import AutoTokenizer, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    write_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.add_tokens(["<|image_pad|>", "<|vision_end|>"], special_tokens=True)
    pictures = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    videos = Qwen2VLVideoProcessor(min_pixels=28 * 28, max_pixels=56 * 56)
    Qwen2VLProcessor(pictures, tokenizer, videos, chat_template=chat).save_pretrained(folder)
    return tokenizer


def write_judge(folder: Path, chat: str | None = CHAT) -> Path:
    """The whole folder."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_processor(folder, chat)
    config = Qwen2VLConfig(**SIZES)
    config.text_config.vocab_size = len(tokenizer)
    for name, token in TOKENS.items():
        setattr(config, name, tokenizer.convert_tokens_to_ids(token))
    torch.manual_seed(0)
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    return folder
