"""What the judge reads: the chat's form, room for the video, marks where they are, padding at the end."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from reward_forcing.rewards.video_align.conversation import conversations
from reward_forcing.rewards.video_align.template import REWARD_TOKENS, read
from reward_forcing.rewards.video_align.weights import load_tokenizer
from tests.rewards.video_reward_folder import write_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(path)
    return path


def test_the_words_of_a_conversation(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    question = read(None).filled("a dog")
    tokens, places = conversations(tokenizer, [question], 3)
    video = "<|vision_start|>" + "<|video_pad|>" * 3 + "<|vision_end|>"
    assert tokenizer.decode(tokens[0]) == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\n{video}{question}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert [tokenizer.decode(tokens[0, place]) for place in places[0].tolist()] == list(REWARD_TOKENS)


def test_the_shorter_is_padded_on_the_right(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    questions = [read(None).filled(prompt) for prompt in ("a dog", "a dog that runs, and then a cat")]
    both, places = conversations(tokenizer, questions, 2)
    alone, _ = conversations(tokenizer, questions[:1], 2)
    assert both[0, : alone.shape[1]].tolist() == alone[0].tolist()
    assert set(both[0, alone.shape[1] :].tolist()) == {tokenizer.pad_token_id}
    assert places[0, :2].tolist() == places[1, :2].tolist(), "quality and motion come before the prompt"
    assert places[0, 2] < places[1, 2]


@pytest.mark.parametrize(
    "question", ["no marks", "<|MQ_reward|><|VQ_reward|><|TA_reward|>", "<|video_pad|>" + "".join(REWARD_TOKENS)]
)
def test_other_questions_are_refused(folder: Path, question: str) -> None:
    with pytest.raises(ValueError, match=r"must hold <\|VQ_reward\|>, .* once each, in this order"):
        conversations(load_tokenizer(folder), [question], 2)


def test_the_three_tokens_are_added_in_order_and_only_once(folder: Path, tmp_path: Path) -> None:
    plain: Any = AutoTokenizer.from_pretrained(folder)
    first = load_tokenizer(folder)
    assert first.convert_tokens_to_ids(list(REWARD_TOKENS)) == [len(plain) + extra for extra in range(3)]
    first.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert len(again) == len(first) == len(plain) + 3


def test_other_tokenizers_are_refused(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    with pytest.raises(ValueError, match="no tokenizer of Qwen2-VL in"):
        load_tokenizer(tmp_path)
    write_tokenizer(tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path).backend_tokenizer
    bare = type(tokenizer)(tokenizer.model)
    PreTrainedTokenizerFast(tokenizer_object=bare).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match=r"does not know <\|video_pad\|>: not Qwen2-VL's"):
        load_tokenizer(tmp_path / "bare")
