"""VideoReward as a metric gives the marks of the reward itself, on a small judge with random weights."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation.backends import video_reward
from evaluation.backends.backend import Footage, discover
from evaluation.backends.equip import equip
from evaluation.evidence import look
from evaluation.measure import choose
from evaluation.metrics.reward import MEASURES
from reward_forcing.rewards.video_align import template as templates
from reward_forcing.rewards.video_align.reward import VideoAlign
from reward_forcing.videos import to_float
from tests.evaluation.backends.small import smooth
from tests.rewards.video_reward_folder import fabricate

PROMPTS = ("a dog", "a cat that runs after a ball")
FPS = 16.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights: `VideoReward` with a question of our own in it."""
    path = tmp_path_factory.mktemp("weights")
    fabricate(path / "VideoReward")
    (path / "VideoReward/checkpoint-7").rename(path / "VideoReward/checkpoint-11352")
    (path / "VideoReward/prompt_template.py").write_text(f"{templates.CONSTANT} = {templates.OWN_WORDS!r}")
    return path


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own question passes for the one the judge was trained on."""
    digest = hashlib.sha256(templates.OWN_WORDS.encode()).hexdigest()
    read = partial(templates.read, characters=len(templates.OWN_WORDS), digest=digest)
    monkeypatch.setattr(templates, "read", read)


def reward(folder: Path, **changes: Any) -> VideoAlign:
    settings = {"weights": str(folder / "VideoReward"), "template": str(folder / "VideoReward/prompt_template.py")}
    return VideoAlign(None, **{**settings, "fps": FPS, "dtype": "float32", **changes})


def test_the_marks_are_the_rewards(folder: Path) -> None:
    frames = smooth(40, 32, 48, clips=2)
    equipment = equip(["video_reward"], [folder])
    assert equipment.missing == {}
    evidence = look(frames, PROMPTS, fps=FPS, windows=[(0, 21)], instruments=equipment.only(["video_reward"]))
    for part, seen in (((0, 40), frames), ((0, 21), frames[:, :21])):
        expected = reward(folder).scores(to_float(seen), PROMPTS)
        found = {m.name: m(evidence.between(*part)) for m in MEASURES}
        for column, name in enumerate(("vq", "mq", "ta")):
            torch.testing.assert_close(found[f"video_reward_{name}"], expected[:, column], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found["video_reward_overall"], expected.sum(1), atol=1e-4, rtol=1e-4)
    assert all(measure(evidence.between(5, 30)).isnan().all() for measure in MEASURES), "parts have no mark"


def test_only_the_frames_that_are_looked_at_count(folder: Path) -> None:
    watcher = partial(video_reward.watch, judge=reward(folder, fps=2.0))
    changed = smooth(40, 32, 48)
    before = look(changed, PROMPTS[:1], fps=FPS, instruments={"video_reward": watcher}).overall("video_reward")
    changed[:, 1] = 0
    after = look(changed, PROMPTS[:1], fps=FPS, instruments={"video_reward": watcher}).overall("video_reward")
    assert torch.equal(before, after)
    assert before.isfinite().all()


def test_without_weights_or_the_question_it_is_skipped(folder: Path, tmp_path: Path) -> None:
    def why(where: Path, *more: str) -> str:
        return equip(["video_reward"], [where, *more]).missing["video_reward"]

    assert "VideoReward: VideoReward/checkpoint-11352/model.pth is neither in" in why(tmp_path)
    assert "hf download KlingTeam/VideoReward" in why(tmp_path)
    weights = folder / "VideoReward/checkpoint-11352/model.pth"
    assert "prompt_template.py of https://github.com" in why(tmp_path, f"video_reward={weights}")
    other = tmp_path / "other.py"
    other.write_text(f"{templates.CONSTANT} = 'Is it good?'")
    assert "not VideoAlign's template" in why(folder, f"video_reward_template={other}")


def test_the_folder_may_be_anywhere(folder: Path, tmp_path: Path) -> None:
    weights, template = (folder / "VideoReward" / name for name in ("checkpoint-11352/model.pth", "prompt_template.py"))
    found = equip(["video_reward"], [f"video_reward={weights}", f"video_reward_template={template}", tmp_path])
    assert found.missing == {}
    mark = found.fingerprints["video_reward"]
    assert "video_reward sha256:" in mark
    config = folder / "VideoReward/model_config.json"
    text = config.read_text()
    config.write_text(text.replace("0.1", "0.3"))
    assert equip(["video_reward"], [folder]).fingerprints["video_reward"] != mark, "other normalisation, other marks"
    config.write_text(text)


def test_marks_have_their_places_and_costs() -> None:
    assert [video_reward.column(name) for name in ("VQ", "MQ", "TA")] == [0, 1, 2]
    with pytest.raises(ValueError, match="not in tuple"):
        video_reward.column("overall")
    cost = discover()["video_reward"].cost
    assert cost(Footage(960, 480, 832, 16)) - cost(Footage(81, 480, 832, 16)) == 110 * video_reward.GFLOP


def test_the_metrics_are_whole_and_optimised_by_their_reward() -> None:
    for measure in choose([measure.name for measure in MEASURES]).values():
        assert (measure.scope, measure.better, measure.unit) == ("whole", "higher", "sd")
        assert measure.optimised("video_align: VideoReward MQ (uncalibrated)")
        assert measure.optimised("weighted_sum: 2 VideoReward TA + 1 tracked_motion")
        assert not measure.optimised("tracked_motion")
