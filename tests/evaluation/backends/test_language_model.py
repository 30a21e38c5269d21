"""A vision-language model from a folder, with random weights: shown all frames, asked in its form, read as it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.backends import language_model
from evaluation.backends.language_model import LanguageModel, identity
from evaluation.backends.rubric import question
from tests.evaluation.backends.judge_folder import write_judge, write_processor
from tests.evaluation.networks.filling import noise

CPU = torch.device("cpu")
ANSWER = "text_alignment: 2\ndynamics: 5\nvisual_quality: 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judge(tmp_path_factory.mktemp("models") / "tiny-judge")


@pytest.fixture(scope="module")
def judge(folder: Path) -> Iterator[LanguageModel]:
    tokens, language_model.TOKENS = language_model.TOKENS, 6  # type: ignore[misc]
    yield LanguageModel(folder, CPU)
    language_model.TOKENS = tokens  # type: ignore[misc]


def test_it_is_shown_every_frame_and_the_question(judge: LanguageModel) -> None:
    inputs = judge.inputs(noise(3, 3, 64, 48), question("a dog"))
    assert len(inputs["image_grid_thw"]) == 3
    said = judge.processor.batch_decode(inputs["input_ids"], skip_special_tokens=False)[0]
    assert said.startswith("<|im_start|>user\n<|vision_start|><|image_pad|>")
    assert said.endswith(f"{question('a dog')}<|im_end|>\n<|im_start|>assistant\n")


def test_what_it_says_depends_on_what_it_sees(judge: LanguageModel) -> None:
    def certainty(seed: int) -> torch.Tensor:
        inputs = judge.inputs(noise(2, 3, 64, 48, seed=seed), "how good?")
        logits: torch.Tensor = judge.model(**inputs).logits[0, -1]
        return logits

    assert torch.equal(certainty(0), certainty(0))
    assert not torch.allclose(certainty(0), certainty(1))


def test_random_weights_say_nothing_that_can_be_read(judge: LanguageModel) -> None:
    frames = noise(2, 3, 64, 48)
    assert judge.answer(frames, question("a dog")) == judge.answer(frames, question("a dog"))
    with pytest.raises(ValueError, match="the answer .* has no mark for text_alignment"):
        judge(frames, "a dog")


def test_what_the_model_says_is_read(judge: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the words are put into its mouth; preparation, cutting off the question and decoding are its own."""
    words = judge.processor.tokenizer(ANSWER, return_tensors="pt")["input_ids"]

    def generate(*, input_ids: Any, do_sample: bool, max_new_tokens: int, **_: Any) -> torch.Tensor:
        assert not do_sample
        assert max_new_tokens == 6
        return torch.cat([input_ids, words], 1)

    monkeypatch.setattr(judge.model, "generate", generate)
    assert judge(noise(2, 3, 64, 48), "a dog") == {"text_alignment": 2, "dynamics": 5, "visual_quality": 3}


def test_folders_are_told_apart(folder: Path, tmp_path: Path) -> None:
    other = write_judge(tmp_path / "tiny-judge")
    assert identity(other) == identity(folder), "the same files elsewhere"
    (other / "generation_config.json").write_text("{}")
    assert identity(other) != identity(folder)
    assert identity(folder).startswith("tiny-judge ")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"judge: .* is no image-text-to-text model of transformers"):
        LanguageModel(tmp_path, CPU)
    write_processor(tmp_path)
    with pytest.raises(ValueError, match="is no image-text-to-text model"):
        LanguageModel(tmp_path, CPU)


def test_a_model_that_takes_no_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no chat template"):
        LanguageModel(write_judge(tmp_path / "mute", chat=None), CPU)
