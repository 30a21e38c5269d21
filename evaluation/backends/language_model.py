"""Any vision-language model in transformers' layout, asked about frames in its own chat form."""

from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import UInt8
from torch import Tensor

from evaluation.backends.rubric import question, read_answer
from reward_forcing.codecs.files import fingerprint, first_line

TOKENS: Final = 256
"""Of an answer, at most; the three lines take 20."""


class LanguageModel:
    """A judge that answers in words, always the likeliest ones.

    Nothing is downloaded, no code that lies in the folder is run, weights are safetensors.

    Args:
        folder: of an image-text-to-text model: config, weights, tokenizer, processor and chat template.
        device: where it computes.

    Raises:
        ValueError: the folder holds something else.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.processor: Any = AutoProcessor.from_pretrained(folder, **local)
            model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, use_safetensors=True, **local)
        except Exception as error:  # transformers raises many kinds
            said = first_line(error)
            raise ValueError(f"judge: {folder} is no image-text-to-text model of transformers ({said})") from error
        if getattr(self.processor, "chat_template", None) is None:
            raise ValueError(f"judge: the processor in {folder} has no chat template: the model takes no questions")
        self.model: Any = model.eval().requires_grad_(requires_grad=False).to(device)

    def __call__(self, frames: UInt8[Tensor, "frame 3 height width"], prompt: str) -> dict[str, float]:
        """Marks from 1 to 5. Raises ValueError for an answer without them."""
        return read_answer(self.answer(frames, question(prompt)))

    @torch.no_grad()
    def answer(self, frames: UInt8[Tensor, "frame 3 height width"], asked: str) -> str:
        """What it says about frames."""
        inputs = self.inputs(frames, asked)
        said = self.model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
        return str(self.processor.batch_decode(said[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0])

    def inputs(self, frames: UInt8[Tensor, "frame 3 height width"], asked: str) -> Any:
        """A user's turn of pictures and a question, and the opening of the answer, as the model takes it."""
        from PIL import Image

        pictures = [Image.fromarray(frame.permute(1, 2, 0).cpu().numpy()) for frame in frames]
        content = [{"type": "image", "image": picture} for picture in pictures] + [{"type": "text", "text": asked}]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        return inputs.to(self.model.device, dtype=self.model.dtype)


def identity(folder: Path) -> str:
    """What tells a model from others: its folder's name, and a fingerprint of all files in it."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return f"{folder.resolve().name} {fingerprint(files, ' '.join(path.name for path in files))}"
