"""Distances between sets of videos: exact where they can be known, and honest about what they are."""

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from evaluation import distances
from evaluation.distances import Looking, between, compare, features, floor, frechet, kernel, taken, told
from evaluation.extractors import Taking, find_extractor
from evaluation.functional.frechet import frechet as frechet_of
from evaluation.functional.frechet import gaussian
from evaluation.manifest import Entry, read_manifest
from evaluation.networks.video_features import RandomConvolution
from reward_forcing.videos import Clip, write_clip
from tests.evaluation.made import erased, intact, truth, write_study

PROMPTS = tuple(f"{colour} circle medium pan-slow" for colour in ("red", "green", "blue", "yellow", "cyan"))


def normal(count: int, seed: int = 0, *, shift: float = 0.0) -> Float[Tensor, "video 4"]:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)).double() + shift


def with_moments(count: int, mean: Tensor, covariance: Tensor) -> Tensor:
    """Features whose mean and covariance are exactly these."""
    drawn = normal(count)
    white = drawn - drawn.mean(0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(white.T))).T
    made: Tensor = white @ torch.linalg.cholesky(covariance).T + mean
    return made


def test_the_frechet_distance_of_known_gaussians() -> None:
    mean, spread = torch.tensor([1.0, -2.0, 0.5, 0.0]).double(), torch.tensor([1.0, 4.0, 9.0, 0.25]).double()
    one = with_moments(50, torch.zeros(4).double(), torch.eye(4).double())
    other = with_moments(80, mean, torch.diag(spread))
    by_hand = float(mean.square().sum() + (1 - spread.sqrt()).square().sum())
    assert frechet(one, other) == pytest.approx(by_hand, rel=1e-6)
    assert frechet(one, other) == pytest.approx(frechet_of(gaussian(one), gaussian(other)), rel=1e-6)


def test_correlated_gaussians_agree_with_our_own_formula() -> None:
    mixing = normal(4, seed=5)
    one, other = normal(60, 1), normal(70, 2, shift=0.3) @ mixing
    assert frechet(one, other) == pytest.approx(frechet_of(gaussian(one), gaussian(other)), rel=1e-6)


def test_equal_sets_are_no_distance_apart() -> None:
    same = normal(300)
    assert frechet(same, same) == pytest.approx(0, abs=1e-6)
    mean, spread = kernel(normal(300, 1), normal(300, 2))
    assert abs(mean) < spread
    assert floor(same).frechet < 0.2


def test_distances_grow_with_the_shift() -> None:
    found = [between(normal(60, 1), normal(60, 2, shift=shift)) for shift in (0.0, 0.5, 1.0, 2.0)]
    for one, other in pairwise(found):
        assert one.frechet < other.frechet
        assert one.kernel < other.kernel


def test_the_kernel_distance_is_the_mean_of_unbiased_ones() -> None:
    """Of all pairs in a subset but those of a video with itself; here the subsets are the halves of four videos."""
    real, fake = normal(4, 1), normal(4, 2, shift=1.0)

    def mmd(x: Tensor, y: Tensor) -> Tensor:
        cube = [(a @ b.T / 4 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        return cube[0][0, 1] + cube[1][0, 1] - 2 * cube[2].mean()

    pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    every = torch.stack([mmd(real[i], fake[j]) for i in pairs for j in pairs])
    mean, spread = kernel(real, fake)
    assert mean == pytest.approx(float(every.mean()), abs=4 * float(every.std()) / distances.SUBSETS**0.5)
    assert spread == pytest.approx(float(every.std()), rel=0.3)


def test_few_videos_bias_the_frechet_distance_and_not_the_kernel_distance() -> None:
    few = [between(normal(8, seed), normal(8, 100 + seed)) for seed in range(20)]
    many = between(normal(800, 1), normal(800, 2))
    assert sum(d.frechet for d in few) / 20 > 20 * many.frechet
    assert abs(sum(d.kernel for d in few) / 20) < 1


def test_drawing_subsets_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert kernel(normal(20, 1), normal(20, 2)) == kernel(normal(20, 1), normal(20, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert kernel(normal(20, 1), normal(20, 2)) != kernel(normal(20, 1), normal(20, 2), seed=1)


def test_sets_of_one_video_are_refused() -> None:
    with pytest.raises(ValueError, match="sets of 1 and 5 videos; at least 2"):
        between(normal(1), normal(5))


def test_the_floor_is_of_disjoint_halves() -> None:
    apart = torch.cat([normal(40, 1), normal(41, 2)])
    found = floor(apart)
    assert (found.real, found.fake) == (41, 40)
    assert floor(apart) == found != floor(apart, seed=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"), {"same": intact, "erased": erased}, frames=12, prompts=PROMPTS)


def looking(taking: Taking = Taking(8)) -> Looking:  # noqa: B008 - a value
    return Looking(RandomConvolution(), "random", taking)


def test_cells_are_compared_with_real_videos(study: Path) -> None:
    entries = read_manifest(study)
    real = [entry for entry in entries if entry.cell == "same"]
    report = compare(real, entries, looking())
    assert list(report.cells) == ["same", "erased"]
    assert report.cells["same"].frechet == pytest.approx(0, abs=1e-6)
    assert report.cells["erased"].frechet > 0.001
    assert (report.floor.real, report.floor.fake) == (3, 2)
    assert report.sizes == {"real": ("32 x 32",), "same": ("32 x 32",), "erased": ("32 x 32",)}
    words = told(report)
    assert "clips: the first 8 frames, stride 1; pixels: real 32 x 32" in words
    assert "only 5 videos: below 256 the Fréchet distance is too large" in words
    assert [line.split()[0] for line in words.splitlines()[3:6]] == ["same", "erased", "floor:"]


def test_torchmetrics_takes_the_extractors_as_they_are(study: Path) -> None:
    entries = read_manifest(study)
    rows = {cell: features([e for e in entries if e.cell == cell], looking()).rows for cell in ("same", "erased")}
    metric = FrechetInceptionDistance(RandomConvolution())
    for entry in entries:
        metric.update(taken(entry.video, Taking(8))[None], real=entry.cell == "same")
    assert float(metric.compute()) == pytest.approx(frechet(rows["same"], rows["erased"]), abs=1e-4)


def test_which_frames_are_taken(study: Path) -> None:
    video = read_manifest(study)[0].video
    whole = taken(video, Taking(12))
    assert torch.equal(taken(video, Taking(4, 3)), whole[[0, 3, 6, 9]])
    with pytest.raises(ValueError, match="it has 12 frames; 13 are needed"):
        taken(video, Taking(5, 3))


def test_videos_that_cannot_be_used_are_left_out_and_told(study: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(b"nothing")
    write_clip(tmp_path / "short.mkv", Clip(truth(3)[0], 8.0))
    more = [Entry(tmp_path / name, "x", 0, "same", 8.0) for name in ("broken.mkv", "short.mkv")]
    entries = [entry for entry in read_manifest(study) if entry.cell == "same"]
    report = compare([*entries, *more], entries, looking())
    assert report.cells["same"].real == 5
    assert set(report.left_out) == {str(broken), str(tmp_path / "short.mkv")}
    assert f"left out: {tmp_path / 'short.mkv'}: it has 3 frames; 8 are needed" in told(report)
    with pytest.raises(ValueError, match="real: 0 videos can be used; at least 4 are needed; broken.mkv: "):
        compare(more, entries, looking())


def test_videos_in_which_nothing_is_seen_are_left_out(study: Path) -> None:
    class Blind(nn.Module):
        num_features = 2

        def forward(self, videos: Tensor) -> Tensor:
            return torch.full((len(videos), 2), torch.nan)

    found = features(read_manifest(study)[:1], Looking(Blind(), "blind", Taking(8)))
    assert found.rows.shape[0] == 0
    assert [*found.left_out.values()] == ["its features are not finite: the extractor sees nothing in it"]


def test_numbers_are_written_with_all_that_belongs_to_them(study: Path) -> None:
    entries = read_manifest(study)
    extractor, name = find_extractor("toy", None, Taking(8), torch.device("cpu"))
    report = compare(entries, entries, Looking(extractor, name, Taking(8)))
    written = json.loads(json.dumps(distances.content(report, study, study)))
    assert written["schema"] == "reward-forcing/distances/1"
    assert written["taking"] == {"frames": 8, "stride": 1}
    assert written["extractor"] == "toy states (not FVD)"
    assert written["floor"] == asdict(report.floor)
    assert list(written["manifests"]) == ["manifest.jsonl"]
