"""Pages about rewards, metrics and experiments keep their word: what they show is written down, found and works."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluation import metrics
from evaluation.evidence import look
from evaluation.measure import Measure, choose, discover
from reward_forcing import train
from reward_forcing.composition import places
from reward_forcing.composition.configuration import plain
from reward_forcing.composition.places import SEARCHED
from reward_forcing.rewards.protocols import PixelReward
from reward_forcing.rewards.weighted_sum import WeightedSum
from reward_forcing.study.design import level_of, read_study, require_honest
from tests import training
from tests.evaluation import test_measure as properties
from tests.evaluation.made import MOVING, truth
from tests.properties.test_how_to import blocks, complaints, composed, follow, trained

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
EXPERIMENT = (HOW_TO / "add-an-experiment.md").read_text(encoding="utf-8")
METRICS = (HOW_TO / "add-a-metric.md").read_text(encoding="utf-8")


def shown(page: str) -> list[list[str]]:
    """The overrides of every training that a page shows, without where it looks for them."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    lines = re.findall(r"^(?:PYTHONPATH=\w+ )?reward-forcing train ([^#\n]*)", text, re.MULTILINE)
    return [line.replace("--config-dir mine", "").split() for line in lines]


def planned(words: list[str]) -> list[Any]:
    """The runs that a page's command asks for."""
    return train.plan([word for word in words if word != "-m"], multirun="-m" in words)


def test_a_new_reward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow("add-a-reward.md", tmp_path, monkeypatch)
    reward = composed("reward", ["reward=colours_kept", "reward.scale=0.05"])
    assert isinstance(reward, PixelReward)
    fading = torch.linspace(1, 0, 8)[None, :, None, None, None].expand(1, 8, 3, 4, 4)
    still, changing = (reward.judge(video, ["red"]) for video in (fading[:, :1].expand_as(fading), fading))
    assert still == 0
    assert changing.item() == pytest.approx(-(4 / 7) * 3**0.5 / 0.05)
    module = training.distillation()
    module.frozen.reward = Latently(reward)
    assert trained(module)


class Latently:
    """Latents of two channels as pixels, so that a judge of pixels can sit in a tiny training."""

    def __init__(self, judge: PixelReward) -> None:
        self.judge = judge

    def __call__(self, clean: torch.Tensor, prompts: Any) -> torch.Tensor:
        return self.judge.judge(clean[:, :, [0, 1, 1]], prompts)

    def to(self, device: Any, /) -> "Latently":  # noqa: ARG002
        return self


def test_commands_about_rewards_work_outside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same class and yaml in a folder of one's own, where only the target is called otherwise."""
    code, config = blocks("add-a-reward.md").values()
    (tmp_path / "reward").mkdir()
    (tmp_path / "my_rewards.py").write_text(code)
    config = re.sub(r"reward_forcing\S*ColoursKept", "my_rewards.ColoursKept", config)
    (tmp_path / "reward/colours_kept.yaml").write_text(config)
    monkeypatch.syspath_prepend(tmp_path)
    commands = shown("add-a-reward.md")
    monkeypatch.setenv(SEARCHED, str(tmp_path))
    jobs = [planned(words) for words in commands]
    assert list(map(len, jobs)) == [1, 4, 1, 1]
    assert plain(jobs[0][0].config)["module"]["frozen"]["reward"]["scale"] == 0.05
    summed = composed("reward", commands[2])
    assert isinstance(summed, WeightedSum)
    assert type(summed.rewards["second"]).__module__ == "my_rewards"


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The experiment of the page, outside the project."""
    monkeypatch.setenv(SEARCHED, str(tmp_path))
    for name, content in re.findall(r"`experiments/(guidance\.\w+)`:\n\n```\w+\n(.*?)```", EXPERIMENT, re.DOTALL):
        (tmp_path / "experiments").mkdir(exist_ok=True)
        (tmp_path / "experiments" / name).write_text(content, encoding="utf-8")
    return tmp_path / "experiments"


def test_a_new_experiment(experiment: Path) -> None:
    """All its commands, and what `tests/test_configs.py` asks of experiments."""
    written, *others = shown("add-an-experiment.md")
    jobs = planned([word for word in written if word not in ("--cfg", "job")])
    assert [job.choices["module.scores.guidance_scale"] for job in jobs] == ["1.0"] * 3 + ["1.5"] * 3 + ["3.0"] * 3
    assert all(plain(job.config)["name"] == "guidance" for job in jobs)
    assert [len(planned(words)) for words in others] == [9, 9, 3, 9]
    page = (experiment / "guidance.md").read_text(encoding="utf-8")
    for needed in ("experiments=guidance", "**Question.**", "**Expected.**", "**Found.**"):
        assert needed in page


def test_a_new_study(experiment: Path) -> None:
    assert places.files("experiments")["guidance"].parent == experiment
    (job, *_) = planned(["experiments=guidance"])
    study = read_study(plain(job.config)["study"], "guidance")
    require_honest(study, "tracked_motion")
    assert study.reference in {level_of(f"module.scores.guidance_scale={scale}") for scale in ("1.0", "1.5", "3.0")}


@pytest.fixture
def new_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Measure]:
    """The metrics of the page, found like all others."""
    before = discover()
    (path, code), *_ = re.findall(r"`(evaluation/metrics/\w+\.py)`:\n\n```python\n(.*?)```", METRICS, re.DOTALL)
    (tmp_path / Path(path).name).write_text(code, encoding="utf-8")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    return {name: measure for name, measure in discover().items() if name not in before}


def test_new_metrics_are_found_and_score(new_metrics: dict[str, Measure]) -> None:
    assert list(new_metrics) == ["darkness", "sprite_at_the_end"]
    assert choose([*new_metrics]) == new_metrics
    video = truth(30)
    black = torch.cat([video[:, :-1], torch.zeros_like(video[:, -1:])], 1)
    seen = [look(frames, MOVING) for frames in (video, black)]
    dark, sprite = ([measure(evidence) for evidence in seen] for measure in new_metrics.values())
    assert sprite[0].tolist() == [1, 1, 1]
    assert sprite[1].tolist() == [0, 0, 0]
    assert (dark[1] - dark[0] > 0.5 / 30).all()


def test_new_metrics_have_every_property_of_a_metric(new_metrics: dict[str, Measure]) -> None:
    evidence = look(truth(30), MOVING)
    for measure in new_metrics.values():
        properties.test_there_is_one_score_a_video(measure, evidence)
        properties.test_the_truth_scores_perfectly(measure, evidence)
        properties.test_a_video_is_scored_alone(measure, evidence)
        properties.test_too_few_frames_have_no_score(measure, evidence)


def test_a_new_metric_is_a_torchmetric(new_metrics: dict[str, Measure]) -> None:
    code = re.findall(r"```python\n(from evaluation.video_metric.*?)```", METRICS, re.DOTALL)
    space: dict[str, Any] = {"videos": truth(6), "prompts": MOVING}
    exec(code[0], space)
    expected = new_metrics["darkness"](look(truth(6), MOVING)).mean()
    assert space["metric"].compute() == pytest.approx(expected)


def test_the_page_about_metrics_holds_clean_code(tmp_path: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", METRICS, re.DOTALL):
        assert complaints(code, tmp_path) == ""
