import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from reward_forcing.codecs.protocols import TextEncoder
from reward_forcing.codecs.umt5 import INSIDE, OUTSIDE, UMT5, cleaned, load_umt5, part, to_transformers
from reward_forcing.codecs.umt5 import SIZES as UMT5_XXL

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


def test_parts_of_a_pipeline(files: Path) -> None:
    assert part(files / "pipeline", "text_encoder") == files / "pipeline/text_encoder"
    assert part(files / "pipeline/text_encoder", "text_encoder") == files / "pipeline/text_encoder"
    assert part(files / "official.pth", "text_encoder") == files / "official.pth"


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
    text, long = load(files), "cat " * 510 + "runs " + "a " * 90
    said = r"prompt 'cat cat .* has 602 tokens, at most 512 are allowed; it is kept up to \.\.\.'.*cat runs'"
    with pytest.warns(UserWarning, match=said):
        text.prepare([long])
    embedded = text([long])  # would be an error if it warned again
    assert torch.equal(embedded, text(["cat " * 510 + "runs"]))
    assert embedded[0].any(-1).all()


@pytest.mark.parametrize("count", [510, 511])
def test_prompts_that_just_fit_are_not_warned_of(files: Path, count: int) -> None:
    assert int(load(files)(["a " * count])[0].any(-1).sum()) == count + 1


def test_other_lengths(files: Path) -> None:
    text = load(files, tokens=4)
    with pytest.warns(UserWarning, match="has 5 tokens, at most 4"):
        assert text(["a red cat runs"]).shape == (1, 4, 8)


def test_padding_on_the_left_changes_nothing(files: Path) -> None:
    text, prompts = load(files), ["a red cat", "fast"]
    expected = text(prompts)
    text.tokenizer.padding_side = "left"
    assert_close(text(prompts), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["official.pth", "pipeline"])
def test_precision_and_one_copy_of_the_words(files: Path, name: str) -> None:
    text = load_umt5(files / name, files / "tokenizer", sizes=SIZES)
    assert {weight.dtype for weight in text.encoder.parameters()} == {torch.bfloat16}
    assert not any(weight.requires_grad for weight in text.encoder.parameters())
    assert text.encoder.get_submodule("shared").weight is text.encoder.get_submodule("encoder.embed_tokens").weight
    embedded = text(["a red cat"])
    assert embedded.dtype == torch.float32
    assert_close(embedded, load(files)(["a red cat"]), atol=0.1, rtol=0.05)


def test_its_sizes_are_those_of_umt5_xxl() -> None:
    from transformers import UMT5Config, UMT5EncoderModel

    with torch.device("meta"):
        encoder = UMT5EncoderModel(UMT5Config(**UMT5_XXL))
    assert sum(weight.numel() for weight in encoder.parameters()) == 5_680_910_336
    assert len({name for name in encoder.state_dict() if "relative_attention_bias" in name}) == 24


def test_the_tokenizer_of_a_pipeline(files: Path, tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    text = load_umt5(files / "pipeline", tmp_path, dtype="float32")
    assert torch.equal(text(["a cat"]), load(files)(["a cat"]))


def test_a_tokenizer_of_the_kind_that_wan_comes_with(files: Path, tmp_path: Path) -> None:
    from transformers import T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁a", "▁red", "▁cat", "动", "s"]
    T5Tokenizer(vocab=[(piece, -float(n)) for n, piece in enumerate(pieces)], extra_ids=0).save_pretrained(
        str(tmp_path)
    )
    text = load_umt5(files / "official.pth", tmp_path, dtype="float32", tokens=4, sizes=SIZES)
    expected = small_encoder()(torch.tensor([[4, 6, 8, 1]])).last_hidden_state
    assert_close(text([" a\ncats "]), expected)
    with pytest.warns(UserWarning, match=r"'a red cat动'... has 5 tokens, .* kept up to ...'a red cat'"):
        text.prepare(["a red cat动"])


def test_a_folder_that_lacks_something_is_no_random_encoder(files: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(files / "pipeline/text_encoder", tmp_path / "encoder")
    weights, name = tmp_path / "encoder/model.safetensors", "encoder.block.1.layer.0.SelfAttention.q.weight"
    state = load_file(weights)
    save_file({key: tensor for key, tensor in state.items() if key != name}, weights, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"encoder does not fit UMT5EncoderModel: 1 missing, first {name}"):
        load_umt5(tmp_path / "encoder", files / "tokenizer")
    save_file({**state, name: torch.zeros(3, 3)}, weights, {"format": "pt"})
    with pytest.raises(ValueError, match=rf"encoder does not fit UMT5EncoderModel: 1 misshaped, first {name}"):
        load_umt5(tmp_path / "encoder", files / "tokenizer")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"^text: .*encoder cannot be read as UMT5EncoderModel"):
        load_umt5(tmp_path / "encoder", files / "tokenizer")


def test_damaged_files(files: Path, tmp_path: Path) -> None:
    data = (files / "official.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"^text: .*cut\.pth cannot be read as a file of tensors"):
        load_umt5(tmp_path / "cut.pth", files / "tokenizer", sizes=SIZES)
    with pytest.raises(
        ValueError, match=r"official\.pth does not fit UMT5EncoderModel: .*misshaped, first shared\.weight"
    ):
        load_umt5(files / "official.pth", files / "tokenizer", sizes={**SIZES, "vocab_size": 31})


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
