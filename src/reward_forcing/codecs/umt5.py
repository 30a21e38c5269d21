"""Wan2.1's text encoder: UMT5-XXL, prompts cleaned, padded with zeros to a fixed number of tokens."""

import html
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from reward_forcing.codecs.files import first_line, read_tensors, require_fit, require_none
from reward_forcing.shapes import Prompts

TOKENS: Final = 512
"""Longest prompt, the closing token included."""

SIZES: Final = {
    "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 256384,
    "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.0,
}  # fmt: skip
"""UMT5-XXL, as transformers counts it."""

OUTSIDE: Final = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
INSIDE: Final = {
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm1": "layer.0.layer_norm",
    "norm2": "layer.1.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}
"""What follows `blocks.N.` in Wan's file: what follows `encoder.block.N.` in transformers."""


def cleaned(prompt: str) -> str:
    r"""A prompt with broken characters repaired, HTML entities resolved and white space collapsed, as Wan was trained.

    >>> cleaned(" a  cat &amp;amp; a\n dog ")
    'a cat & a dog'
    """
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(prompt)))
    return re.sub(r"\s+", " ", text).strip()


def to_transformers(name: str) -> str:
    """Transformers' name of a parameter in `models_t5_umt5-xxl-enc-bf16.pth`; other names are left alone.

    >>> to_transformers("blocks.7.ffn.gate.0.weight")
    'encoder.block.7.layer.1.DenseReluDense.wi_0.weight'
    """
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)\.weight", name)
    if found and found[2] in INSIDE:
        return f"encoder.block.{found[1]}.{INSIDE[found[2]]}.weight"
    return OUTSIDE.get(name, name)


class UMT5:
    """Embeddings [prompt, 512, width] in fp32; what lies behind a prompt's end is zero.

    Args:
        encoder: transformers' UMT5EncoderModel.
        tokenizer: transformers' tokenizer for it.
        negative: what the empty prompt stands for.
        tokens: length of the embeddings.
        batch: prompts encoded together.
    """

    def __init__(
        self, encoder: nn.Module, tokenizer: Any, *, negative: str = "", tokens: int = TOKENS, batch: int = 8
    ) -> None:
        self.encoder, self.tokenizer, self.negative = encoder, tokenizer, negative
        self.tokens, self.batch = tokens, batch
        self._warned: set[str] = set()

    def __call__(self, prompts: Sequence[str]) -> Prompts:
        """One row of embeddings a prompt."""
        rows = self.rows(prompts)
        return torch.stack([nn.functional.pad(row, (0, 0, 0, self.tokens - len(row))) for row in rows])

    @torch.no_grad()
    def rows(self, prompts: Sequence[str]) -> list[Float[Tensor, "token feature"]]:
        """The embeddings of each prompt up to its end, in fp32 on the CPU; prompts that are too long are cut."""
        rows: list[Tensor] = []
        device = next(self.encoder.parameters()).device
        for start in range(0, len(prompts), self.batch):
            texts = [cleaned(prompt) or cleaned(self.negative) for prompt in prompts[start : start + self.batch]]
            self._warn_of_long(texts)
            made = self.tokenizer(
                texts, padding="longest", truncation=True, max_length=self.tokens, return_tensors="pt"
            ).to(device)
            states = self.encoder(made.input_ids, attention_mask=made.attention_mask).last_hidden_state
            rows += [row[mask].float().cpu() for row, mask in zip(states, made.attention_mask.bool(), strict=True)]
        return rows

    def prepare(self, prompts: Sequence[str]) -> None:
        """Warn of prompts that are too long, of each once."""
        self._warn_of_long([cleaned(prompt) for prompt in prompts])

    def _warn_of_long(self, texts: Sequence[str]) -> None:
        for text in texts:
            pieces = self.tokenizer(text, verbose=False).input_ids
            if len(pieces) > self.tokens and text not in self._warned:
                self._warned.add(text)
                last = self.tokenizer.decode(pieces[: self.tokens - 1])[-30:]
                warnings.warn(
                    f"prompt {text[:40]!r}... has {len(pieces)} tokens, at most {self.tokens} are allowed; "
                    f"it is kept up to ...{last!r}",
                    stacklevel=3,
                )


def load_umt5(
    path: str | Path,
    tokenizer: str | Path,
    *,
    negative: str = "",
    dtype: Literal["float32", "bfloat16"] = "bfloat16",
    device: str = "auto",
    tokens: int = TOKENS,
    batch: int = 8,
    sizes: dict[str, Any] | None = None,
) -> UMT5:
    """The encoder in Wan's `models_t5_umt5-xxl-enc-bf16.pth` or in a folder of transformers.

    Args:
        path: of the file or folder (a diffusers pipeline's `text_encoder/` is found by itself).
        tokenizer: folder of the tokenizer (a diffusers pipeline's `tokenizer/` is found by itself).
        negative: what the empty prompt stands for.
        dtype: precision it computes in.
        device: where it computes; "auto": on the GPU if there is one.
        tokens: length of the embeddings; longer prompts are cut.
        batch: prompts encoded together.
        sizes: of a UMT5Config, where they are not UMT5-XXL's (files only; folders tell them).

    Raises:
        ValueError: there is no such thing, or it is something else.
    """
    path, precision = part(Path(path), "text_encoder"), getattr(torch, dtype)
    if not path.exists():
        raise ValueError(f"text: {path} is not there; allowed: models_t5_umt5-xxl-enc-bf16.pth or a folder")
    words = _tokenizer(part(Path(tokenizer), "tokenizer"))
    encoder = _from_folder(path, precision) if path.is_dir() else _from_file(path, sizes or SIZES)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = encoder.to(device, precision).requires_grad_(requires_grad=False).eval()
    return UMT5(encoder, words, negative=negative, tokens=tokens, batch=batch)


def part(path: Path, name: str) -> Path:
    """The subfolder of that name in a diffusers pipeline; other paths are left alone."""
    return path / name if (path / name).is_dir() else path


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not folder.is_dir():
        raise ValueError(f"text: the tokenizer {folder} is not there; allowed: Wan's folder google/umt5-xxl")
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"text: {folder} holds no tokenizer; allowed: a folder with tokenizer.json") from error


def _from_folder(folder: Path, precision: torch.dtype) -> Any:
    from transformers import UMT5EncoderModel

    try:
        encoder, told = UMT5EncoderModel.from_pretrained(
            str(folder), local_files_only=True, dtype=precision, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"text: {folder} cannot be read as UMT5EncoderModel ({first_line(error)})") from error
    faults = {
        "misshaped": sorted(name for name, *_ in told["mismatched_keys"]),
        "missing": sorted(told["missing_keys"]),
    }
    require_none(faults, f"text: {folder}", "UMT5EncoderModel")
    return encoder


def _from_file(path: Path, sizes: dict[str, Any]) -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    given = {to_transformers(name): tensor for name, tensor in read_tensors(path, "text").items()}
    if "shared.weight" in given:
        given["encoder.embed_tokens.weight"] = given["shared.weight"]
    with torch.device("meta"):
        encoder = UMT5EncoderModel(UMT5Config(**sizes))
    require_fit(encoder.state_dict(), given, f"text: {path}", "UMT5EncoderModel")
    encoder.load_state_dict(given, assign=True)
    encoder.tie_weights()  # assigning made two of the largest tensor
    return encoder
