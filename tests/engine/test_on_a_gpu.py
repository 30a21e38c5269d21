"""On an NVIDIA GPU: fast passes in bf16 are as near to fp32 as those of the reference, compiled and recorded, too."""

from collections.abc import Iterator
from dataclasses import replace

import jaxtyping
import pytest
import torch
from torch import Tensor

from benchmarks.streaming import PAPER, Scene, network_of, rollout_of
from reward_forcing.engine.attention import SDPA
from reward_forcing.engine.fast import Fast
from reward_forcing.engine.reference import Engine, Reference
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.rollout import always, generate
from reward_forcing.seeding import VideoNoise

SHALLOW = replace(PAPER, sizes=replace(PAPER.sizes, layers=3))
"""The 1.3B student's sizes, with fewer layers."""
CHUNKS = 7
"""Three until the window is full, one in which passes are recorded, three in which they are played."""
HOWS = {
    "fast": Fast(),
    "sdpa": Fast(attention=SDPA),
    "compiled": Fast(compile="default"),
    "recorded": Fast(compile="reduce-overhead"),
}

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
    pytest.mark.filterwarnings("ignore", "error:engine.compile:UserWarning"),
]


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    """What checks shapes in tests cannot be compiled."""
    jaxtyping.config.update("jaxtyping_disable", value=True)
    yield
    jaxtyping.config.update("jaxtyping_disable", value=False)


@torch.inference_mode()
def video(scene: Scene, network: WanTransformer, engine: Engine) -> Tensor:
    device = next(network.parameters()).device
    noise = VideoNoise(keys=((0,),), chunk_shape=scene.geometry.chunk_shape, device=device)
    words = torch.randn(1, scene.words, scene.sizes.text_dim, generator=torch.Generator().manual_seed(1))
    prompt = always(words.to(device, network.dtype))
    return generate(rollout_of(scene, engine).stream(network, noise, prompt, chunks=range(CHUNKS))).float()


@pytest.fixture(scope="module")
def videos() -> tuple[WanTransformer, Tensor, float]:
    """The network in bf16, its video in fp32, and how far the reference in bf16 is from that."""
    torch.manual_seed(0)
    network = network_of(SHALLOW.sizes, torch.device("cuda"), torch.float32).requires_grad_(requires_grad=False)
    exact = video(SHALLOW, network, Reference())
    network.bfloat16()
    return network, exact, float((video(SHALLOW, network, Reference()) - exact).norm())


@pytest.mark.parametrize("name", HOWS)
def test_it_is_as_near_to_fp32_as_the_reference(name: str, videos: tuple[WanTransformer, Tensor, float]) -> None:
    network, exact, plain = videos
    assert 0 < float((video(SHALLOW, network, HOWS[name]) - exact).norm()) < 1.5 * plain


def test_recorded_passes_are_the_compiled_ones(videos: tuple[WanTransformer, Tensor, float]) -> None:
    """Bit for bit: a graph launches the same kernels."""
    compiled, recorded = (replace(HOWS[name], attention=SDPA) for name in ("compiled", "recorded"))
    assert torch.equal(video(SHALLOW, videos[0], recorded), video(SHALLOW, videos[0], compiled))
