"""Costs that backends claim are what their networks do, counted at the public sizes."""

from collections.abc import Callable
from functools import partial

import open_clip
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.optical_flow import raft_large

from evaluation.backends import aesthetic, clip
from evaluation.backends.backend import Footage, discover
from evaluation.networks.amt import Amt
from evaluation.networks.dino import DINOV2, Dino
from evaluation.networks.musiq import Musiq
from evaluation.networks.tag2text import Tag2Text
from evaluation.networks.umt import Umt
from evaluation.networks.viclip import ViClip


def gflop(act: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        act()
    return float(counter.get_total_flops()) / 1e9


def blank(*shape: int) -> Tensor:
    return torch.zeros(shape, device="meta")


def built(make: Callable[..., nn.Module], **sizes: object) -> nn.Module:
    with torch.device("meta"):
        return make(**sizes).eval()


def claimed(name: str, frames: int, height: int, width: int, fps: float = 16) -> float:
    return discover()[name].cost(Footage(frames, height, width, fps))


@pytest.mark.parametrize("size", [(480, 832), (256, 256)])
def test_frames_of_dino(size: tuple[int, int]) -> None:
    side = (224, 388) if size == (480, 832) else (224, 224)
    network = built(Dino)
    assert claimed("dino", 3, *size) == pytest.approx(3 * gflop(lambda: network(blank(1, 3, *side))), rel=0.01)


def test_clips_of_dinov2() -> None:
    network = built(Dino, **DINOV2)
    one = gflop(lambda: network(blank(1, 3, 224, 224)))
    assert claimed("dinov2", 81, 480, 832) == pytest.approx(3 * one, rel=0.01)  # two clips, and one that reaches back


@pytest.mark.parametrize("size", [(240, 416), (480, 832)])
def test_pairs_of_raft(size: tuple[int, int]) -> None:
    network = built(raft_large, weights=None)
    pair = gflop(lambda: network(blank(1, 3, *size), blank(1, 3, *size), num_flow_updates=20))
    assert claimed("flow", 81, *size) == pytest.approx(40 * pair, rel=0.01)
    assert claimed("stillness", 81, *size) == pytest.approx(84 * pair, rel=0.01)
    assert claimed("flow", 1, *size) == 0


@pytest.mark.parametrize("size", [(240, 416), (480, 832)])
def test_odd_frames_of_amt(size: tuple[int, int]) -> None:
    network = built(Amt)
    assert claimed("amt", 82, *size) == pytest.approx(
        40 * gflop(lambda: network(blank(1, 3, *size), blank(1, 3, *size))), rel=0.01
    )


@pytest.mark.parametrize(("size", "seen"), [((480, 832), (295, 512)), ((96, 128), (96, 128))])
def test_frames_of_musiq(size: tuple[int, int], seen: tuple[int, int]) -> None:
    network = Musiq().eval()  # its places are no tensors without memory
    assert claimed("musiq", 2, *size) == pytest.approx(2 * gflop(lambda: network(torch.zeros(1, 3, *seen))), rel=0.02)


def test_videos_of_viclip_and_umt() -> None:
    viclip, umt = built(ViClip), built(Umt)
    assert isinstance(viclip, ViClip)
    assert claimed("viclip", 81, 480, 832) == pytest.approx(
        2 * gflop(lambda: viclip.encode_video(blank(1, 8, 3, 224, 224))), rel=0.01
    )
    assert claimed("umt", 81, 480, 832) == pytest.approx(2 * gflop(lambda: umt(blank(1, 16, 3, 224, 224))), rel=0.01)


def test_frames_of_tag2text() -> None:
    """Three captions of all lengths, read anew for every word."""
    network = built(Tag2Text).to("meta").requires_grad_(requires_grad=False)
    assert isinstance(network, Tag2Text)
    words, seen, told = (torch.zeros(1, 40, dtype=torch.long, device="meta"), blank(1, 145, 1024), blank(3, 40, 768))
    texts = [torch.zeros(3, length, dtype=torch.long, device="meta") for length in range(4, 30)]
    parts = [
        gflop(lambda: network.look(blank(1, 3, 384, 384))),
        gflop(lambda: network.tags(seen)),
        gflop(lambda: network.tell(words, words > 0, seen)),
        *(gflop(partial(network.text_decoder, text, told)) for text in texts),
    ]
    assert claimed("tag2text", 81, 480, 832) == pytest.approx(2 * 16 * sum(parts), rel=0.01)


@pytest.mark.parametrize(("model", "one"), [("ViT-B-32", clip.GFLOP), ("ViT-L-14", aesthetic.GFLOP)])
def test_frames_of_clip(model: str, one: float, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("ERROR"):
        network = open_clip.create_model(f"{model}-quickgelu", pretrained=None, load_weights=False, device="meta")
    assert one == pytest.approx(gflop(lambda: network.to("meta").encode_image(blank(1, 3, 224, 224))), rel=0.01)


def test_sizes_of_files_are_those_of_the_networks() -> None:
    sizes = {file.key: file.size for backend in discover().values() for file in backend.files}
    networks = {"dino": built(Dino), "dinov2": built(Dino, **DINOV2), "raft": built(raft_large, weights=None),
                "musiq": built(Musiq), "viclip": built(ViClip), "umt": built(Umt), "amt": built(Amt)}  # fmt: skip
    for key, network in networks.items():
        held = sum(tensor.nbytes for tensor in network.state_dict().values())
        assert sizes[key] == pytest.approx(held, rel=0.05), key
