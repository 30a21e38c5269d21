from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.codecs.umt5 import INSIDE, OUTSIDE, UMT5, cleaned, load_umt5, to_transformers

SIZES = {"d_model": 8, "d_kv": 4, "d_ff": 12, "num_layers": 2, "num_heads": 2, "vocab_size": 32,
         "feed_forward_proj": "gated-gelu", "dropout_rate": 0.0}  # fmt: skip
WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "cat", "runs", "fast", "bad"]


def write_tokenizer(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", padding_side="right"
    )
    fast.save_pretrained(str(folder))
    return folder


def small_encoder() -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    return UMT5EncoderModel(UMT5Config(**SIZES)).requires_grad_(requires_grad=False).eval()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_tokenizer(folder / "tokenizer")
    encoder = small_encoder()
    encoder.save_pretrained(str(folder / "pipeline/text_encoder"))
    backwards = {f"encoder.block.{n}.{theirs}.weight": f"blocks.{n}.{ours}.weight"
                 for n in range(2) for ours, theirs in INSIDE.items()}  # fmt: skip
    backwards |= {theirs: ours for ours, theirs in OUTSIDE.items()}
    state = {name: tensor for name, tensor in encoder.state_dict().items() if name != "encoder.embed_tokens.weight"}
    torch.save({backwards[name]: tensor.clone() for name, tensor in state.items()}, folder / "official.pth")
    return folder


def load(files: Path, name: str = "official.pth", **more: Any) -> UMT5:
    return load_umt5(files / name, files / "tokenizer", dtype="float32", sizes=SIZES, **more)


@pytest.mark.parametrize(
    ("given", "clean"),
    [("  a \t cat\n", "a cat"), ("&amp;lt;b&amp;gt;", "<b>"), ("donâ€™t", "don't"), ("", ""), ("我  们", "我 们")],
)
def test_cleaning(given: str, clean: str) -> None:
    assert cleaned(given) == clean
    assert cleaned(cleaned(given)) == cleaned(given)


def test_names() -> None:
    assert to_transformers("blocks.23.pos_embedding.embedding.weight") == (
        "encoder.block.23.layer.0.SelfAttention.relative_attention_bias.weight"
    )
    assert to_transformers("norm.weight") == "encoder.final_layer_norm.weight"
    assert to_transformers("something.else") == "something.else"


def test_embeddings_are_those_of_transformers(files: Path) -> None:
    text = load(files)
    made = text.tokenizer(["a red cat", "fast"], padding="max_length", max_length=512, return_tensors="pt")
    expected = small_encoder()(made.input_ids, attention_mask=made.attention_mask).last_hidden_state
    embedded = text(["a  red cat ", "fast"])
    assert embedded.shape == (2, 512, 8)
    assert_close(embedded[0, :4], expected[0, :4])
    assert_close(embedded[1, :2], expected[1, :2])
    assert not embedded[0, 4:].any()
    assert not embedded[1, 2:].any()
    assert embedded[1, 1].any(), "the closing token counts"


def test_it_is_a_text_encoder(files: Path) -> None:
    assert isinstance(load(files), TextEncoder)


def test_a_prompt_does_not_depend_on_its_company(files: Path) -> None:
    text = load(files, batch=2)
    together = text(["a", "a red cat runs fast", "cat"])
    for row, prompt in zip(together, ["a", "a red cat runs fast", "cat"], strict=True):
        assert_close(row, text([prompt])[0], atol=1e-5, rtol=1e-5)


def test_both_kinds_of_files_give_the_same(files: Path) -> None:
    prompts = ["a red cat"]
    assert torch.equal(load(files)(prompts), load(files, "pipeline")(prompts))
    assert torch.equal(load(files)(prompts), load(files, "pipeline/text_encoder")(prompts))


def test_the_empty_prompt_is_the_negative_one(files: Path) -> None:
    text = load(files, negative="bad cat")
    assert torch.equal(text([""]), text(["bad cat"]))
    assert not torch.equal(text([""]), load(files)([""]))


def test_long_prompts_are_cut_with_a_warning(files: Path) -> None:
    text = load(files)
    with pytest.warns(UserWarning, match=r"prompt 'cat cat .* has 601 tokens; only the first 512 count"):
        embedded = text(["cat " * 600])
    assert embedded[0].any(-1).all()
    with pytest.warns(UserWarning, match="has 601 tokens"):
        text.prepare(["cat " * 600])


def test_what_cannot_be_loaded(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"text: .*none\.pth is not there; allowed: models_t5"):
        load(files, "none.pth")
    with pytest.raises(ValueError, match="the tokenizer .*nowhere is not there"):
        load_umt5(files / "official.pth", files / "nowhere")
    with pytest.raises(ValueError, match="holds no tokenizer"):
        load_umt5(files / "official.pth", tmp_path)
    with pytest.raises(ValueError, match="cannot be read as UMT5EncoderModel"):
        load_umt5(tmp_path, files / "tokenizer")
    state = torch.load(files / "official.pth")
    del state["norm.weight"]
    torch.save(state, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"1 missing, first encoder\.final_layer_norm\.weight"):
        load_umt5(tmp_path / "part.pth", files / "tokenizer", sizes=SIZES)
