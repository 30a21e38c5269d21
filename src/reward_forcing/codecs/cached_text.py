"""Text embeddings from disk; the encoder is loaded only for prompts that are not there yet, and freed at once."""

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import track

from reward_forcing.codecs.embedding_store import EmbeddingStore, encoder_name
from reward_forcing.codecs.umt5 import TOKENS, UMT5
from reward_forcing.shapes import Prompts

AT_ONCE = 64
"""Prompts of a shard: what an interruption can lose."""


class CachedText:
    """A text encoder that reads what was encoded before.

    Args:
        folder: of the embeddings.
        encoder: loads the encoder; called only when prompts are missing.
        path: of the encoder's weights, which name its embeddings; where they are not there (any more), the folder's
            only encoder is meant.
        negative: what the empty prompt stands for.
        missing: what to do about prompts that are not there: "encode" them, or "refuse" them.
        tokens: length of the embeddings.
    """

    def __init__(
        self,
        folder: str | Path,
        encoder: Callable[[], UMT5],
        path: str | Path,
        *,
        negative: str = "",
        missing: Literal["encode", "refuse"] = "encode",
        tokens: int = TOKENS,
    ) -> None:
        name = encoder_name(path, negative) if Path(path).exists() else None
        self.store = EmbeddingStore(folder, name)
        self.encoder, self.missing, self.tokens = encoder, missing, tokens

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """Embeddings [prompt, tokens, feature] in fp32, zero behind a prompt's end.

        Raises:
            ValueError: a prompt is not there and `missing` is "refuse", or the encoder cannot be loaded.
        """
        self.prepare(prompts)
        rows = [self.store.read(prompt) for prompt in prompts]
        return torch.stack([torch.nn.functional.pad(row, (0, 0, 0, self.tokens - len(row))) for row in rows])

    def prepare(self, prompts: Sequence[str]) -> None:
        """Encode what is missing, the empty prompt included, and forget the encoder; or refuse."""
        wanted = self._missing(prompts)
        if not wanted:
            return
        self.store.refresh()
        wanted = self._missing(prompts)
        if wanted and self.missing == "refuse":
            raise ValueError(
                f"text: {len(wanted)} of {len({'', *prompts})} prompts are not in {self.store.folder}, first: "
                f"{wanted[0][:60]!r}; encode them before: reward-forcing data embed PROMPTS"
            )
        if wanted:
            self._encode(wanted)

    def _missing(self, prompts: Sequence[str]) -> list[str]:
        return [prompt for prompt in dict.fromkeys(["", *prompts]) if prompt not in self.store]

    def _encode(self, prompts: Sequence[str]) -> None:
        encoder = self.encoder()
        starts = range(0, len(prompts), AT_ONCE)
        for start in track(starts, "Encoding prompts", console=Console(stderr=True), disable=len(starts) < 2):
            some = prompts[start : start + AT_ONCE]
            self.store.add(dict(zip(some, encoder.rows(some), strict=True)))
        del encoder
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
