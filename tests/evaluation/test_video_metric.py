"""Measures as torchmetrics: many updates, several processes, the usual life of a metric."""

import copy
import pickle
import warnings
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection

from evaluation import video_metric
from evaluation.evidence import look
from evaluation.instruments import Equipment
from evaluation.measure import Measure, discover
from evaluation.signals import Asked, EachFrame
from evaluation.video_metric import VideoMetric
from tests.evaluation.made import MOVING, truth


@pytest.mark.parametrize("name", ["palette_drift", "net_displacement"])
def test_updates_one_by_one_are_as_good_as_all_at_once(name: str) -> None:
    frames, metric, whole = truth(16), VideoMetric(name), VideoMetric(name)
    for i, prompt in enumerate(MOVING):
        metric.update(frames[i : i + 1], [prompt])
    whole.update(frames, MOVING)
    expected = discover()[name](look(frames, MOVING))
    assert list(metric.per_video()) == [0, 1, 2]
    assert torch.tensor(list(metric.per_video().values())) == pytest.approx(expected, rel=1e-4)
    assert metric.compute().item() == pytest.approx(float(whole.compute()), rel=1e-4)


def test_videos_without_a_score_are_left_out() -> None:
    metric = VideoMetric("copy_score")
    prompts = [MOVING[0], "red circle slow plain"]
    metric.update(truth(6, prompts), prompts)
    scores = metric.per_video()
    assert scores[1] != scores[1]
    assert metric.compute().item() == pytest.approx(scores[0])


def test_a_repeated_video_counts_once() -> None:
    metric = VideoMetric("frame_difference")
    frames = truth(4)
    metric.update(frames[:2], MOVING[:2], indices=[7, 3])
    metric.update(frames[:1], MOVING[:1], indices=[7])
    assert list(metric.per_video()) == [3, 7]


def test_the_life_of_a_metric() -> None:
    metric = VideoMetric("one_sprite")
    metric.update(truth(4), MOVING)
    assert copy.deepcopy(metric).compute() == metric.compute() == 1
    metric.reset()
    assert metric.per_video() == {}
    collection = MetricCollection({"sprite": VideoMetric("one_sprite"), "colour": VideoMetric("colour_accuracy")})
    collection.update(truth(4), MOVING)
    assert {name: float(value) for name, value in collection.compute().items()} == {"sprite": 1, "colour": 1}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="'sprites' is unknown; allowed: "):
        VideoMetric("sprites")


def test_every_measure_has_a_class() -> None:
    for name in discover():
        kind = getattr(video_metric, video_metric.class_name(name))
        assert issubclass(kind, VideoMetric)
        assert kind.__doc__.endswith("arguments as `VideoMetric`.")
    with pytest.raises(AttributeError, match="NoSuchThing"):
        _ = video_metric.NoSuchThing


def test_a_class_is_the_measure_by_name(tmp_path: Path) -> None:
    kind: Any = video_metric.PaletteDrift
    metric = kind()
    metric.update(truth(12), MOVING)
    named = VideoMetric("palette_drift")
    named.update(truth(12), MOVING)
    assert metric.compute() == named.compute()
    assert pickle.loads(pickle.dumps(metric)).compute() == named.compute()
    assert (metric.higher_is_better, VideoMetric("one_sprite").higher_is_better) == (False, True)
    figure, _ = metric.plot()
    figure.savefig(tmp_path / "metric.png")
    assert (tmp_path / "metric.png").stat().st_size > 1000


def test_instruments_may_be_given() -> None:
    measure = Measure(
        name="red",
        title="red",
        better="open",
        kind="any",
        needs=("eye",),
        function=lambda e: e.signal("red") + e.asked.fps,
    )

    def eye(_: Asked) -> dict[str, EachFrame]:
        return {"red": EachFrame(lambda frames: frames[:, 0].float().mean((1, 2)))}

    metric = VideoMetric(measure, equipment=Equipment({"eye": eye}), fps=1000.0)
    metric.update(torch.full((1, 3, 3, 4, 4), 7, dtype=torch.uint8), ["a cat"])
    assert metric.compute() == 1007
    with pytest.raises(ValueError, match="metrics: red: get the eye first"):
        VideoMetric(measure, equipment=Equipment(missing={"eye": "get the eye first"}))


def one_of_two(rank: int, folder: Path) -> None:
    """A process with videos and one without, as at the end of an uneven data set."""
    warnings.simplefilter("ignore", UserWarning)  # torchmetrics warns about the process without videos
    torch.distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    metric = VideoMetric("frame_difference")
    if rank:
        with pytest.raises(ValueError, match="indices is None with several processes"):
            metric.update(truth(2), MOVING)
        metric.update(truth(2), MOVING, indices=[4, 5, 6])
        metric.update(truth(2)[:1], MOVING[:1], indices=[4])
    (folder / f"{rank}.txt").write_text(repr(metric.compute().item()))
    torch.distributed.destroy_process_group()


def test_processes_join_their_videos_even_if_one_has_none(tmp_path: Path) -> None:
    processes = [get_context("fork").Process(target=one_of_two, args=(rank, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    alone = VideoMetric("frame_difference")
    alone.update(truth(2), MOVING)
    for rank in (0, 1):
        assert float((tmp_path / f"{rank}.txt").read_text()) == pytest.approx(alone.compute().item())


def test_metrics_can_be_pickled() -> None:
    metric = VideoMetric("one_sprite")
    metric.update(truth(4), MOVING)
    assert pickle.loads(pickle.dumps(metric)).compute() == 1
