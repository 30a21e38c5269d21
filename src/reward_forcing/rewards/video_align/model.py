"""The network of VideoReward (Liu et al. 2025): Qwen2-VL whose hidden state at three tokens is read as three scores."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ScoreModel(nn.Module):
    """Vision tower and language model of Qwen2-VL with a linear head instead of the words.

    Args:
        config: transformers' Qwen2VLConfig.
        output_dim: 1: one head for all scores; 3: one for each.
    """

    def __init__(self, config: Any, output_dim: int) -> None:
        from transformers import Qwen2VLModel

        super().__init__()
        self.video_token = config.video_token_id
        self.qwen: Any = Qwen2VLModel(config)
        self.rm_head = nn.Linear(config.text_config.hidden_size, output_dim, bias=False)

    def forward(
        self,
        pixels: Float[Tensor, "patch feature"],
        grids: Int[Tensor, "batch 3"],
        tokens: Int[Tensor, "batch token"],
        places: Int[Tensor, "batch 3"],
    ) -> Float[Tensor, "batch 3"]:
        """Visual quality, motion quality, text alignment, not yet normalised, fp32.

        Positions are 0, 1, 2, ... along the conversation on all three of Qwen2-VL's axes, video tokens included: so
        the released judge was trained, other than Qwen2-VL itself. No mask is needed: attention is causal, and
        padding comes last.

        Args:
            pixels: patches of all videos.
            grids: patches of each video along time, rows, columns.
            tokens: conversations, padded on the right.
            places: where each conversation's reward tokens are.
        """
        embedded = self.qwen.language_model.embed_tokens(tokens)
        seen = self.qwen.visual(pixels.to(embedded.dtype), grid_thw=grids).pooler_output
        mixed = embedded.masked_scatter((tokens == self.video_token)[..., None], seen.to(embedded.dtype))
        positions = torch.arange(tokens.shape[1], device=tokens.device).expand(3, *tokens.shape)
        hidden = self.qwen.language_model(inputs_embeds=mixed, position_ids=positions, use_cache=False)
        read = hidden.last_hidden_state[torch.arange(len(tokens), device=tokens.device)[:, None], places]
        scores: Tensor = self.rm_head(read)
        return (scores[..., 0] if scores.shape[-1] == 1 else scores.diagonal(dim1=1, dim2=2)).float()
