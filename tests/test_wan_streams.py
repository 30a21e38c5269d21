"""From public kinds of files to videos: tiny random weights in the layouts of the released checkpoints."""

import json
from pathlib import Path

import pytest
import torch

from reward_forcing.cli import main
from reward_forcing.networks.sources import inspect
from reward_forcing.networks.weights import load, save
from reward_forcing.videos import Clip, read_clip, write_clip
from tests import tiny
from tests.codecs.test_umt5 import small_encoder, write_tokenizer
from tests.codecs.test_wan_vae import small_codec
from tests.codecs.test_wan_vae_weights import official

SIZES = {"channels": 16, "dim": 24, "ffn_dim": 32, "heads": 2, "layers": 1, "text_dim": 8, "freq_dim": 16}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `checkpoints=wan` expects, in small."""
    folder = tmp_path_factory.mktemp("world")
    wan = folder / "Wan2.1-T2V-1.3B"
    save(wan, tiny.network(**SIZES), layout="official")
    torch.save(official(small_codec()), wan / "Wan2.1_VAE.pth")
    write_tokenizer(wan / "google/umt5-xxl")
    small_encoder().save_pretrained(str(folder / "text"))
    student = {"generator_ema": {f"model.{name}": t for name, t in tiny.network(**SIZES).state_dict().items()}}
    torch.save(student, folder / "student.pt")
    return folder


def settings(world: Path) -> list[str]:
    chosen = [f"checkpoints.folder={world}", f"checkpoints.text={world / 'text'}", "codec.dtype=float32",
              "text.encoder.dtype=float32"]  # fmt: skip
    return [part for setting in chosen for part in ("--set", setting)]


def generate(source: str | Path, world: Path, out: Path, *more: str) -> int:
    small = ["--set", "geometry.height=4", "--set", "geometry.width=4"]
    return main(["generate", str(source), "--prompts", "a red cat", "--out", str(out), "--device", "cpu",
                 *settings(world), *small, *more])  # fmt: skip


def clip(out: Path) -> torch.Tensor:
    (line,) = [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]
    return read_clip(out / line["video"]).frames


def test_an_official_folder_streams(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wan = world / "Wan2.1-T2V-1.3B"
    assert generate(wan, world, tmp_path / "short", "--frames", "20") == 0
    assert generate(wan, world, tmp_path / "long", "--seconds", "3") == 0
    short, long = clip(tmp_path / "short"), clip(tmp_path / "long")
    assert short.shape == (20, 3, 32, 32)
    assert len(long) == 48
    assert torch.equal(long[:20], short), "a longer video begins as the shorter one"
    line = json.loads((tmp_path / "long/manifest.jsonl").read_text())
    assert line["fps"] == 16
    assert line["metadata"]["decay"] == 0.999
    assert line["metadata"]["levels"] == [1.0, 0.9375, 0.8333333333333334, 0.625]
    capsys.readouterr()
    assert generate(wan, world, tmp_path / "long", "--seconds", "3") == 0
    assert "1 videos were there already" in capsys.readouterr().out


def test_a_container_is_converted_and_streams_the_same(world: Path, tmp_path: Path) -> None:
    target = tmp_path / "student.safetensors"
    assert main(["convert", str(world / "student.pt"), str(target), "--dtype", "float32", "--heads", "2"]) == 0
    assert inspect(target).layout == "ours"
    assert generate(target, world, tmp_path / "a", "--frames", "9") == 0
    assert generate(world / "Wan2.1-T2V-1.3B", world, tmp_path / "b", "--frames", "9") == 0
    assert torch.equal(clip(tmp_path / "a"), clip(tmp_path / "b"))
    assert main(["convert", str(target), str(tmp_path / "d"), "--layout", "diffusers", "--dtype", "float32"]) == 0
    assert load(tmp_path / "d").sizes == load(target).sizes


@pytest.mark.parametrize("policy", ["cross_only", "recache", "reset"])
def test_prompts_switch_at_seconds(world: Path, tmp_path: Path, policy: str) -> None:
    wan = world / "Wan2.1-T2V-1.3B"
    more = ["--frames", "33", "--switch", "1s:a cat runs fast", "--on-switch", policy]
    assert generate(wan, world, tmp_path / "switched", *more) == 0
    assert generate(wan, world, tmp_path / "plain", "--frames", "33") == 0
    switched, plain = clip(tmp_path / "switched"), clip(tmp_path / "plain")
    assert torch.equal(switched[:9], plain[:9])
    assert not torch.equal(switched[9:], plain[9:]), "second 1 lies in the second chunk"


def test_a_clip_is_continued_without_a_seam_in_the_codec(world: Path, tmp_path: Path) -> None:
    video = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_clip(tmp_path / "start.mkv", Clip(video, 16))
    assert generate(world / "Wan2.1-T2V-1.3B", world, tmp_path / "a", "--frames", "29", "--start",
                    str(tmp_path / "start.mkv")) == 0  # fmt: skip
    assert clip(tmp_path / "a").shape[0] == 29


def test_prompts_are_encoded_ahead(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.txt").write_text("a cat\na red cat runs\n")
    embed = ["data", "embed", str(tmp_path / "prompts.txt"), *settings(world), "--set",
             f"checkpoints.embeddings={tmp_path / 'store'}", "--set", "text.encoder.device=cpu"]  # fmt: skip
    assert main(embed) == 0
    assert "3 prompts encoded, 3 there" in capsys.readouterr().out
    assert main(embed) == 0
    assert "0 prompts encoded, 3 there" in capsys.readouterr().out
    assert main([*embed, "--set", "text.negative=bad cat"]) == 0
    assert "1 prompts encoded, 4 there" in capsys.readouterr().out


def test_encoding_ahead_with_every_option(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = {"prompt": "a cat", "seed": 3, "schedule": [{"at": "5s", "prompt": "red cat"}]}
    (tmp_path / "videos.jsonl").write_text(json.dumps(schedule))
    store = tmp_path / "a store = here"
    places = ["--text", world / "text", "--tokenizer", world / "Wan2.1-T2V-1.3B/google/umt5-xxl", "--out", store]
    options = [*places, "--batch", 1, "--device", "cpu", "--dtype", "float32"]
    assert main(["data", "embed", str(tmp_path / "videos.jsonl"), "a  red cat", *map(str, options)]) == 0
    said = capsys.readouterr().out
    assert f"{store}: 4 prompts encoded, 4 there" in said
    assert "next: reward-forcing generate STUDENT" in said
    assert main(["data", "embed", "a cat", "--text", "nowhere.pth", "--out", str(tmp_path / "other")]) == 2
    assert "text: nowhere.pth is not there; allowed: models_t5_umt5-xxl-enc-bf16.pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--codec", "nowhere.pth"], "codec: nowhere.pth is not there; allowed: Wan2.1_VAE.pth"),
        (["--set", "checkpoints.text=none", "--prompts", "never seen"], "text: none is not there; allowed: models_t5"),
        (["--set", "geometry.heigth=3"], "geometry.heigth: there is no such key"),
        (["--seconds", "0"], "generate: seconds is 0.0; it must be above 0"),
    ],
)
def test_what_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert generate(world / "Wan2.1-T2V-1.3B", world, tmp_path / "out", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_conversions_that_are_refused(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(world / "student.pt"), str(tmp_path / "x.pt")]) == 2
    assert "its name must end in .safetensors" in capsys.readouterr().err
    assert main(["convert", str(world / "student.pt"), str(world)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["convert", "nowhere.pt", str(tmp_path / "x.safetensors")]) == 2
    assert "nowhere.pt is not there" in capsys.readouterr().err


def test_switches_count_from_the_beginning_of_the_video(world: Path, tmp_path: Path) -> None:
    """A clip that is continued belongs to the video: second 1 is frame 16, and the start has 13."""
    video = torch.randint(0, 256, (13, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_clip(tmp_path / "start.mkv", Clip(video, 16))
    more = ["--frames", "37", "--start", str(tmp_path / "start.mkv")]
    wan = world / "Wan2.1-T2V-1.3B"
    assert generate(wan, world, tmp_path / "plain", *more) == 0
    for at, same in (("1s", 13), ("1.8s", 25)):
        assert generate(wan, world, tmp_path / at, *more, "--switch", f"{at}:a cat runs fast") == 0
        switched, plain = clip(tmp_path / at), clip(tmp_path / "plain")
        assert torch.equal(switched[:same], plain[:same])
        assert not torch.equal(switched[same : same + 12], plain[same : same + 12])


def test_a_retrained_student_of_the_same_name_makes_its_videos_again(world: Path, tmp_path: Path) -> None:
    source = tmp_path / "wan"
    made = []
    for seed in (1, 2):
        save(source, tiny.network(seed=seed, **SIZES), layout="official")
        assert generate(source, world, tmp_path / "out", "--frames", "5") == 0
        made.append(clip(tmp_path / "out"))
    assert not torch.equal(*made)
