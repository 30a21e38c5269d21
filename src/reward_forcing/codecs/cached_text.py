"""Text embeddings from disk; the encoder is loaded only for prompts that are not there yet, and freed at once."""

import gc
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import torch
from filelock import FileLock
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from reward_forcing.codecs.embedding_store import EmbeddingStore, encoder_name
from reward_forcing.codecs.umt5 import TOKENS, UMT5, cleaned, part
from reward_forcing.shapes import Prompts

AT_ONCE: Final = 64
"""Prompts of a shard: what an interruption can lose."""

RECENT: Final = 32
"""Prompts whose embeddings stay in memory: at most 270 MB of UMT5-XXL's."""


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
        weights = part(Path(path), "text_encoder")
        self.store = EmbeddingStore(folder, encoder_name(weights, tokens) if weights.exists() else None)
        self.encoder, self.negative = encoder, negative
        self.missing, self.tokens = missing, tokens
        self._recent: dict[str, Tensor] = {}

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """Embeddings [prompt, tokens, feature] in fp32, zero behind a prompt's end.

        Raises:
            ValueError: a prompt is not there and `missing` is "refuse", the encoder cannot be loaded, or what is there
                is longer than `tokens`.
        """
        self.prepare(prompts)
        return torch.stack([self._padded(self._rows(self._text(prompt))) for prompt in prompts])

    def prepare(self, prompts: Sequence[str]) -> None:
        """Encode what is missing, and with it the empty prompt, and forget the encoder; or refuse.

        Processes that miss the same prompts wait for the first of them.

        Raises:
            ValueError: prompts are not there and `missing` is "refuse", or the encoder cannot be loaded.
        """
        if not self._missing(prompts):
            return
        self.store.refresh()
        wanted = self._missing(prompts)
        if wanted and self.missing == "refuse":
            raise ValueError(
                f"text: {len(wanted)} of {len(set(prompts))} prompts are not in {self.store.folder}, first: "
                f"{wanted[0][:60]!r}; encode them before: reward-forcing data embed PROMPTS"
            )
        if wanted:
            with self._turn(wanted):
                self.store.refresh()
                if self._missing(wanted):
                    self._encode(self._missing([*wanted, ""]))

    def _text(self, prompt: str) -> str:
        return cleaned(prompt) or cleaned(self.negative)

    def _rows(self, text: str) -> Float[Tensor, "token feature"]:
        rows = self._recent.pop(text, None)
        self._recent[text] = self.store.read(text) if rows is None else rows
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return self._recent[text]

    def _missing(self, prompts: Sequence[str]) -> list[str]:
        """One prompt for each text that is not there."""
        texts = {self._text(prompt): prompt for prompt in prompts}
        return [prompt for text, prompt in texts.items() if text not in self.store]

    def _turn(self, prompts: Sequence[str]) -> FileLock:
        """A lock that is the same for all who miss the same prompts."""
        self.store.folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(sorted(prompts)).encode()).hexdigest()[:16]
        return FileLock(self.store.folder / f".{name}.lock")

    def _encode(self, prompts: Sequence[str]) -> None:
        encoder = self.encoder()
        ordered = sorted((prompt if cleaned(prompt) else self.negative for prompt in prompts), key=len)
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("Encoding prompts", total=len(ordered))
            for some in _parts(ordered, AT_ONCE):
                rows: list[Tensor] = []
                for batch in _parts(some, encoder.batch):
                    rows += encoder.rows(batch)
                    bar.advance(task, len(batch))
                self.store.add({self._text(prompt): row for prompt, row in zip(some, rows, strict=True)})
        del encoder
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _padded(self, rows: Float[Tensor, "token feature"]) -> Float[Tensor, "tokens feature"]:
        if len(rows) > self.tokens:
            raise ValueError(
                f"text: embeddings in {self.store.folder} have {len(rows)} tokens, not up to {self.tokens}"
            )
        return torch.nn.functional.pad(rows, (0, 0, 0, self.tokens - len(rows)))


def _parts(prompts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [prompts[start : start + size] for start in range(0, len(prompts), size)]
