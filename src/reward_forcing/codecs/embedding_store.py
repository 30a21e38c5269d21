"""Prompt embeddings on disk: small safetensors shards, keyed by encoder and prompt, that only ever grow in number."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reward_forcing.codecs.files import fingerprint

ENCODER: Final = "encoder"
"""Where a shard's metadata names the encoder that made it."""

WEIGHTS: Final = (".safetensors", ".bin", ".pth", ".pt")
"""Endings of files of weights."""


class EmbeddingStore:
    """Embeddings of one encoder in a folder; several processes may add at once, each its own shards.

    Args:
        folder: of the shards; made when something is added.
        encoder: name of what made them; None: the only one whose shards are there, if any.

    Raises:
        ValueError: a shard is damaged, or `encoder` is None and there are several.
    """

    def __init__(self, folder: str | Path, encoder: str | None = None) -> None:
        self.folder = Path(folder)
        self._given = encoder
        self._places: dict[str, Path] = {}
        self._seen: set[Path] = set()
        self.refresh()

    @property
    def encoder(self) -> str:
        """The encoder's name. Raises ValueError when it was not given, and the shards are not those of exactly one."""
        found = {path.name.split("-")[0] for path in self._shards("*")} if self._given is None else {self._given}
        if len(found) != 1:
            raise ValueError(f"embeddings: {self.folder} has those of {len(found)} encoders; give the encoder's files")
        return found.pop()

    def refresh(self) -> None:
        """Look for shards that were added since, by whomever."""
        if self._given is None and not self._shards("*"):
            return
        for path in self._shards(self.encoder):
            if path not in self._seen:
                self._places.update(dict.fromkeys(self._names(path), path))
                self._seen.add(path)

    def __contains__(self, prompt: str) -> bool:
        return digest(prompt) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, prompt: str) -> Float[Tensor, "token feature"]:
        """The embeddings of a prompt up to its end, in fp32.

        Raises:
            ValueError: the prompt is not there, or its shard is damaged.
        """
        path = self._places.get(digest(prompt))
        if path is None:
            raise ValueError(f"embeddings: {prompt[:60]!r} is not in {self.folder}; run `reward-forcing data embed`")
        try:
            with safe_open(path, "pt") as shard:
                embedding: Tensor = shard.get_tensor(digest(prompt))
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
        return embedding.float()

    def add(self, embeddings: Mapping[str, Float[Tensor, "token feature"]]) -> None:
        """Store embeddings by prompt, in bf16, as one more shard that appears whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.encoder}-{uuid.uuid4().hex}.safetensors"
        aside = path.with_suffix(f".{os.getpid()}.partial")
        tensors = {digest(prompt): rows.to(torch.bfloat16).contiguous() for prompt, rows in embeddings.items()}
        texts = {digest(prompt): prompt for prompt in embeddings}
        save_file(tensors, aside, {ENCODER: self.encoder, "prompts": json.dumps(texts)})
        aside.replace(path)
        self.refresh()

    def _shards(self, encoder: str) -> list[Path]:
        return sorted(self.folder.glob(f"{encoder}-*.safetensors"))

    def _names(self, path: Path) -> list[str]:
        try:
            with safe_open(path, "pt") as shard:
                return list(shard.keys())
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error


def digest(prompt: str) -> str:
    """The key of a prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def encoder_name(path: str | Path, tokens: int) -> str:
    """A short name for what makes embeddings: of samples of its weights, wherever they lie, and of the longest prompt.

    Args:
        path: of a file of weights, or a folder with some; they are not loaded.
        tokens: of the longest prompt.
    """
    path = Path(path)
    files = sorted(file for file in path.iterdir() if file.suffix in WEIGHTS) if path.is_dir() else [path]
    return fingerprint(files, f"{tokens} tokens")


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"embeddings: {path} is damaged ({error}); delete it, its prompts are then encoded again")
