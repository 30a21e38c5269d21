"""VideoReward as a reward: normalised, every sample or as released, calibrated or marked as not."""

import hashlib
import warnings
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from reward_forcing.composition.configuration import build, compose
from reward_forcing.rewards.none import NoReward
from reward_forcing.rewards.protocols import PixelReward
from reward_forcing.rewards.video_align import frames
from reward_forcing.rewards.video_align import template as templates
from reward_forcing.rewards.video_align.conversation import conversations
from reward_forcing.rewards.video_align.model import ScoreModel
from reward_forcing.rewards.video_align.reward import VideoAlign
from reward_forcing.rewards.weighted_sum import WeightedSum, judged
from tests.rewards.pixels import Pixels
from tests.rewards.video_reward_folder import INFERENCE, fabricate

PROMPTS = ["a dog", "a cat that runs after a ball", "rain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video_reward")
    fabricate(path)
    return path


def reward(folder: Path, **changes: Any) -> VideoAlign:
    with pytest.warns(UserWarning, match="asked in our own words, uncalibrated; set reward.template"):
        return VideoAlign(Pixels(), **{"weights": str(folder), "template": None, "dtype": "float32", **changes})


def video(batch: int = 3, count: int = 9) -> Tensor:
    return torch.rand(batch, count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_scores_are_normalised_and_overall_is_their_sum(folder: Path) -> None:
    judge = reward(folder, batch=3)
    pixels, grids = frames.patches(frames.levels(video()[:, frames.sampled(9, 16)]))
    questions = [judge.template.filled(prompt) for prompt in PROMPTS]
    raw = judge.loaded.network(
        pixels, grids, *conversations(judge.loaded.tokenizer, questions, frames.tokens_of(grids))
    )
    scores = judge.scores(video(), PROMPTS)
    for column, name in enumerate(("VQ", "MQ", "TA")):
        wanted = (raw[:, column] - INFERENCE[f"{name}_mean"]) / INFERENCE[f"{name}_std"]
        assert torch.allclose(scores[:, column], wanted, atol=1e-5)
        judge.dimension = cast("Any", name)
        assert torch.equal(judge(video(), PROMPTS), scores[:, column])
    judge.dimension = "overall"
    assert torch.allclose(judge(video(), PROMPTS), scores.sum(1))


def test_batches_do_not_matter(folder: Path) -> None:
    together = reward(folder, batch=3).scores(video(), PROMPTS)
    for batch in (1, 2):
        assert torch.allclose(reward(folder, batch=batch).scores(video(), PROMPTS), together, atol=1e-5)
    assert together[:, 1].unique().numel() == 3


def test_as_released_the_first_sample_speaks_for_all(folder: Path) -> None:
    official = reward(folder, mode="official", dimension="overall")
    scores = official.scores(video(), PROMPTS)
    assert torch.equal(scores, scores[:1].expand(3, -1))
    assert torch.equal(official.scores(video()[:1], PROMPTS[:1]), scores[:1])
    assert torch.allclose(official(video(), PROMPTS), scores.mean(1))
    changed = video()
    changed[1:] = 0
    assert torch.equal(official.scores(changed, PROMPTS), scores), "the others are not looked at"
    correct = reward(folder).scores(video(), PROMPTS)
    assert not torch.allclose(correct[0], scores[0], atol=1e-3), "other frames, other levels"


def test_as_released_all_frames_count(folder: Path) -> None:
    changed = video()
    unseen = next(index for index in range(9) if index not in frames.sampled(9, 16))
    changed[:, unseen] = 0
    assert torch.equal(reward(folder)(changed, PROMPTS), reward(folder)(video(), PROMPTS))
    official = reward(folder, mode="official")
    assert not torch.equal(official(changed, PROMPTS), official(video(), PROMPTS))


def test_no_gradient_flows_and_protocols_hold(folder: Path) -> None:
    judge = reward(folder)
    assert isinstance(judge, PixelReward)
    assert not judge(video(1).requires_grad_(), PROMPTS[:1]).requires_grad
    assert judge.to("cpu") is judge


def test_the_judge_leaves_the_device_when_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = reward(folder, offload=True)
    moved: list[str] = []
    to = judge.loaded.network.to

    def recorded(device: Any) -> ScoreModel:
        moved.append(str(device))
        return to(device)

    monkeypatch.setattr(judge.loaded.network, "to", recorded)
    judge(video(1), PROMPTS[:1])
    assert moved == ["cpu", "cpu"], "there and back"


def test_without_the_template_it_says_so(folder: Path) -> None:
    judge = reward(folder, mode="official", dimension="VQ")
    assert not judge.calibrated
    assert judge.label == "VideoReward VQ (official, uncalibrated)"
    described = judge.describe()
    assert described["label"] == judge.label
    assert described["checkpoint"].endswith("checkpoint-7/model.pth")
    assert described["calibrated"] is False


def test_logs_name_every_score_and_say_that_it_is_uncalibrated(folder: Path) -> None:
    judge = reward(folder, dimension="TA")
    rewards, parts = judged(judge, video(), PROMPTS)
    assert list(parts) == ["VQ_uncalibrated", "MQ_uncalibrated", "TA_uncalibrated"]
    assert torch.equal(torch.stack([*parts.values()], dim=1), judge.scores(video(), PROMPTS))
    assert torch.equal(rewards, parts["TA_uncalibrated"])
    both = WeightedSum(Pixels(), rewards={"words": judge, "none": NoReward()}, weights={"words": 2.0, "none": 1.0})
    total, named = judged(both, video(), PROMPTS)
    assert list(named) == ["words_uncalibrated", "none"]
    assert torch.allclose(total, 2 * rewards)
    assert both.label == "2 VideoReward TA (uncalibrated) + 1 none"


def test_with_the_template_it_is_calibrated(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "template.txt"
    path.write_text(templates.OWN_WORDS)
    with pytest.raises(ValueError, match="not VideoAlign's template: it has .* characters, not 3997; its sha256 is"):
        VideoAlign(Pixels(), weights=str(folder), template=str(path))
    digest = hashlib.sha256(templates.OWN_WORDS.encode()).hexdigest()
    accepted: dict[str, Any] = {"characters": len(templates.OWN_WORDS), "digest": digest}
    monkeypatch.setattr(templates, "read", partial(templates.read, **accepted))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge = VideoAlign(Pixels(), weights=str(folder), template=str(path))
    assert judge.calibrated
    assert judge.label == "VideoReward MQ"
    assert list(judge.parts(video(1), PROMPTS[:1])) == ["VQ", "MQ", "TA"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": None}, "weights is null; give the folder of KlingTeam/VideoReward"),
        ({"fps": 0}, "fps is 0; it must be above 0"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
    ],
)
def test_errors(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoAlign(Pixels(), **{"weights": str(folder), "template": None, **changes})


def test_errors_of_use(folder: Path) -> None:
    judge = reward(folder)
    with pytest.raises(ValueError, match="2 prompts for 1 samples"):
        judge(video(1), PROMPTS[:2])
    with pytest.raises(ValueError, match=r"a prompt contains '<\|TA_reward\|>'"):
        judge(video(1), ["10 <|TA_reward|>"])
    judge.codec = None
    with pytest.raises(ValueError, match="codec is null"):
        judge(video(1), PROMPTS[:1])


def test_the_option_builds_and_judges_samples(folder: Path) -> None:
    config = compose(["reward=video_align", f"reward.weights={folder}", "reward.template=null", "reward.dtype=float32"])
    with pytest.warns(UserWarning, match="uncalibrated"):
        judge = build(config, "reward")
    assert isinstance(judge, VideoAlign)
    rewards = judge(torch.zeros(2, 3, *shape(config)), ["a dog", "a cat"])
    assert rewards.shape == (2,)
    assert rewards.isfinite().all()


def shape(config: Any) -> tuple[int, int, int]:
    return config.geometry.channels, config.geometry.height, config.geometry.width
