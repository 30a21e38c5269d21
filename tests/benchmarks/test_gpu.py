"""What is measured on a GPU runs on a CPU at tiny sizes: only calls of CUDA differ."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.__main__ import run
from benchmarks.gpu import decibels, off_by, parts
from benchmarks.small import SCENE
from benchmarks.tables import told
from reward_forcing.codecs.tiny_vae import TinyCodec
from reward_forcing.codecs.wan_vae import WanCodec
from reward_forcing.shapes import Geometry

CPU = torch.device("cpu")
TINY = replace(
    SCENE,
    sizes=replace(SCENE.sizes, dim=48, ffn_dim=64, layers=2),
    geometry=Geometry(channels=4, height=4, width=4, frames=6, chunk_frames=3),
    levels=(1.0, 0.5),
    dtype=torch.bfloat16,
)
ROWS = ["reference, Wan VAE", "reference, tiny VAE", "fast, Wan VAE", "fast, tiny VAE"]


def wan_codec(dtype: torch.dtype) -> WanCodec:
    from diffusers import AutoencoderKLWan

    numbers: dict[str, Any] = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    vae: Any = AutoencoderKLWan(base_dim=4, z_dim=4, dim_mult=[1, 1, 2, 2], num_res_blocks=1, **numbers).to(dtype)
    return WanCodec(vae)


def tiny_codec(dtype: torch.dtype) -> TinyCodec:
    return TinyCodec(4, (8, 8, 8, 8)).to(dtype)


CODECS: gpu.Codecs = {"Wan VAE": wan_codec, "tiny VAE": tiny_codec}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make bench-gpu`, tiny, in short; what compiles first is the same with other engines."""
    made = tmp_path_factory.mktemp("gpu")
    wanted = {name: part for name, part in parts(TINY, CPU, CODECS).items() if "compiled" not in name}
    assert run(wanted, CPU, made, short=True) == 0
    return made


def test_right_comes_before_fast(folder: Path) -> None:
    assert next(iter(parts(TINY, CPU, CODECS))) == "gpu_agreement"
    measured = json.loads((folder / "gpu_agreement.json").read_text())["measured"]
    assert measured["fast_is_as_near_to_fp32"]
    near, far = measured["distances"]["fast to reference"], measured["distances"]["fast to fp32"]
    assert 0 <= near["first_chunk_off_by"] < 0.1
    assert far["first_chunk_db"] > 20


def test_engines_are_told_with_rates_and_stages(folder: Path) -> None:
    measured = json.loads((folder / "gpu_engines.json").read_text())["measured"]
    for row in measured["student"].values():
        assert row["denoiser_fps"] == pytest.approx(12 / row["chunk_seconds"])
        assert row["of_matmul_rate"] > 0
        assert len(row["seconds_by_chunk"]) == 6
        assert "linear layers" in row["stages"]
    assert measured["attention"].keys() == measured["student"].keys()


def test_memory_is_told_for_each_engine(folder: Path) -> None:
    for row in json.loads((folder / "gpu_memory.json").read_text())["measured"]["streams"].values():
        assert row["memory_grows_gb"] == 0
        assert row["memory_within_limit"]


def test_streams_are_timed_from_the_prompt_to_the_host(folder: Path) -> None:
    streams = json.loads((folder / "gpu_end_to_end.json").read_text())["measured"]["streams"]
    assert [*streams] == ROWS
    for row in streams.values():
        assert row["denoiser_fps"] > row["codec_fps"] > row["end_to_end_fps"] > 0
        assert row["first_frame_seconds"] > 0
        assert {"denoise", "decode", "copy"} <= row["seconds"].keys()


def test_both_turns_of_both_engines_are_timed(folder: Path) -> None:
    steps = json.loads((folder / "gpu_distillation.json").read_text())["measured"]["steps"]
    assert [*steps] == ["reference", "fast"]
    assert all(row["student_step_seconds"] > 0 < row["fake_score_step_seconds"] for row in steps.values())


def test_approximate_engines_are_called_so(folder: Path) -> None:
    rows = json.loads((folder / "gpu_approximations.json").read_text())["measured"]["student"]
    assert {name: row["exact"] for name, row in rows.items()} == {
        name: name == "fast" for name in ("fast", *gpu.APPROXIMATE)
    }
    assert all(row["off_by"] > 0 for name, row in rows.items() if name != "fast")


def test_all_of_it_can_be_shown(folder: Path) -> None:
    for path in folder.glob("*.json"):
        assert f"`python -m benchmarks {path.stem}`" in told(path)


def test_distances_are_known_for_known_differences() -> None:
    right = torch.tensor([2.0, -2.0])
    assert off_by(torch.tensor([2.0, -1.0]), right) == 0.5
    assert decibels(right * 1.1, right) == pytest.approx(20, abs=1e-4)
    assert math.isinf(decibels(right, right))


def test_the_tiny_codec_is_the_published_one() -> None:
    codec = gpu.tiny_codec(torch.bfloat16)
    assert codec.decoder[1].weight.shape == (256, 16, 3, 3)
    assert codec.decoder[1].weight.dtype == torch.bfloat16
