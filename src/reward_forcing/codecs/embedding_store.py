"""Prompt embeddings on disk: small safetensors shards, keyed by encoder and prompt, that only ever grow in number."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

ENCODER = "encoder"
"""Where a shard's metadata names the encoder that made it."""


class EmbeddingStore:
    """Embeddings of one encoder in a folder; several processes may add at once, each its own shards.

    Args:
        folder: of the shards; made when something is added.
        encoder: name of what made them; None: the only one whose shards are there.

    Raises:
        ValueError: a shard is damaged, or `encoder` is None and there is not exactly one.
    """

    def __init__(self, folder: str | Path, encoder: str | None = None) -> None:
        self.folder = Path(folder)
        self._given = encoder
        self._places: dict[str, Path] = {}
        self._seen: set[Path] = set()
        self.refresh()

    @property
    def encoder(self) -> str:
        """The encoder's name."""
        if self._given is not None:
            return self._given
        found = sorted({path.name.split("-")[0] for path in self._shards()})
        if len(found) != 1:
            raise ValueError(f"embeddings: {self.folder} has those of {len(found)} encoders; give the encoder's files")
        return found[0]

    def refresh(self) -> None:
        """Look for shards that were added since, by whomever."""
        for path in self._shards():
            if path not in self._seen and (self._given is None or path.name.startswith(f"{self._given}-")):
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

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.safetensors"))

    def _names(self, path: Path) -> list[str]:
        try:
            with safe_open(path, "pt") as shard:
                return list(shard.keys())
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error


def digest(prompt: str) -> str:
    """The key of a prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def encoder_name(path: str | Path, negative: str = "") -> str:
    """A short name for an encoder: of its files' names and sizes, and of what its empty prompt stands for."""
    path = Path(path)
    files = sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]
    identity = [(file.name, file.stat().st_size if file.is_file() else 0) for file in files]
    return hashlib.sha256(repr((identity, negative)).encode()).hexdigest()[:16]


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(f"embeddings: {path} is damaged ({error}); delete it, its prompts are then encoded again")
