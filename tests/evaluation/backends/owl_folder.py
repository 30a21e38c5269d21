"""A tiny OWLv2 (or OWL-ViT) with random weights and its processor, on disk as transformers keeps it."""

from pathlib import Path
from typing import Any

import torch

TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}
WORDS = ["a photo of a dog cat red kite"]


def write_owl_tokenizer(folder: Path) -> Any:
    """CLIP's kind of tokenizer with a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<|startoftext|>", "<|endoftext|>"]  # OWL passes over texts that begin with token 0
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["!", *special], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 9, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in special]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{special[0]} $A {special[1]}", special_tokens=ends
    )
    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=special[1],
        pad_token=special[1],
        model_max_length=16,
    )
    fast.save_pretrained(folder)
    return fast


def write_owl(folder: Path) -> Path:
    """The whole folder."""
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    folder.mkdir(parents=True)
    tokenizer = write_owl_tokenizer(folder)
    pictures = Owlv2ImageProcessor(size={"height": 32, "width": 32})
    Owlv2Processor(pictures, tokenizer).save_pretrained(folder)
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2}
    config = Owlv2Config(text_config={**TEXT, **words}, vision_config=VISION, projection_dim=16)
    torch.manual_seed(0)
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    return folder
