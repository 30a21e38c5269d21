"""Streaming Wan's decoder: the layers as diffusers walks them against our own walk of the same weights, in turns."""

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import conv3d
from torch.profiler import ProfilerActivity, profile

from benchmarks.common import clock, side_by_side
from benchmarks.stages import shares
from reward_forcing.codecs.wan_vae import WanCodec

CPU: Final = torch.device("cpu")
BASE: Final = 16
"""Features of the narrowest layers; Wan2.1's has 96."""
CHUNK: Final = 3
HEIGHT, WIDTH = 12, 20
STAGES: Final = {
    "aten::mkldnn_convolution": "convolutions",
    "aten::slow_conv3d_forward": "convolutions",
    "aten::_slow_conv2d_forward": "convolutions",
    "aten::addmm": "products",
    "aten::mm": "products",
    "aten::bmm": "products",
    "aten::_fused_rms_norm": "normalisation",
    "aten::linalg_vector_norm": "normalisation",
    "aten::div": "normalisation",
    "aten::mul": "normalisation",
    "aten::silu": "activation",
    "aten::copy_": "copies",
    "aten::cat": "copies",
    "aten::constant_pad_nd": "copies",
    "aten::fill_": "copies",
}
"""What operations belong to; all others are "rest". Products are those of one thread's convolutions in fp32, too."""
PRECISIONS: Final = (torch.float32, torch.bfloat16)
Next: TypeAlias = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Decodes the next latents of a stream: their video, and what is remembered."""


def codecs(chunks: int = 3) -> dict[str, Any]:
    """Seconds of a latent frame by either walk once the stream runs, where they go, and the bytes of its memory.

    On one thread torch computes fp32 convolutions as products of columns copied for the purpose: both walks wait for
    them. In bf16 oneDNN does, as it does in fp32 on more threads.
    """
    sizes = {"base_dim": BASE, "latents": [HEIGHT, WIDTH], "chunk_frames": CHUNK}
    return {**sizes, **{str(dtype).removeprefix("torch."): contest(dtype, chunks) for dtype in PRECISIONS}}


@torch.inference_mode()
def contest(dtype: torch.dtype, chunks: int) -> dict[str, Any]:
    """Both walks over the same stream, chunk by chunk in turns; the first chunk does not count."""
    codec = random_codec(dtype)
    walks: Mapping[str, Next] = {"diffusers": partial(walked_by_diffusers, codec), "ours": codec.decode_next}
    taken: dict[str, list[float]] = {name: [] for name in walks}
    past: dict[str, Any] = dict.fromkeys(walks)
    video: dict[str, Tensor] = {}
    for number in range(1 + chunks):
        clean = latents(number)
        for name, walk in walks.items():
            started = clock(CPU)
            video[name], past[name] = walk(clean, past[name])
            taken[name].append((clock(CPU) - started) / CHUNK)
    ratios = [theirs / own for theirs, own in zip(taken["diffusers"][1:], taken["ours"][1:], strict=True)]
    return {
        "times_as_fast": statistics.median(ratios),
        "channels_last_convolution_times_as_fast": layouts(dtype),
        "off_by": float((video["ours"] - video["diffusers"]).abs().max()),
        **{
            name: {
                "latent_frame_seconds": statistics.median(taken[name][1:]),
                "bytes_remembered": remembered(past[name]),
                **looked_into(partial(walk, latents(0), past[name])),
            }
            for name, walk in walks.items()
        },
    }


def layouts(dtype: torch.dtype) -> float:
    """How many times as fast a convolution of the third level is on channels-last frames."""
    width = 2 * BASE
    contiguous = torch.randn(1, width, 6, 4 * HEIGHT, 4 * WIDTH).to(dtype)
    kernel = torch.randn(width, width, 3, 3, 3).to(dtype)
    last = contiguous.to(memory_format=torch.channels_last_3d)
    clips = {"first": contiguous, "last": last}
    runs = {name: partial(conv3d, clip, kernel, padding=(0, 1, 1)) for name, clip in clips.items()}
    taken = side_by_side(runs, CPU, rounds=3)
    return taken["first"] / taken["last"]


def random_codec(dtype: torch.dtype) -> WanCodec:
    """Wan's autoencoder, narrow, with random weights."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    vae: Any = AutoencoderKLWan(base_dim=BASE)
    return WanCodec(torch.nn.Module.to(vae.requires_grad_(requires_grad=False).eval(), dtype))


def latents(seed: int) -> Tensor:
    """A chunk."""
    return torch.randn(1, CHUNK, 16, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def walked_by_diffusers(codec: WanCodec, clean: Tensor, past: list[Any] | None) -> tuple[Tensor, list[Any]]:
    """The next video frames and the cache of features, as diffusers' own loop over a clip makes them."""
    first, cache = past is None, [None] * len(list(codec.vae.decoder.modules())) if past is None else past
    raw = codec.vae.post_quant_conv(unnormalised(codec, clean))
    made = []
    for frame in raw.split(1, 2):
        made.append(codec.vae.decoder(frame, feat_cache=cache, feat_idx=[0], first_chunk=first))
        first = False
    return torch.cat(made, 2).float().clamp(-1, 1).transpose(1, 2), cache


def unnormalised(codec: WanCodec, clean: Tensor) -> Tensor:
    """Latents as diffusers' decoder takes them: [batch, channel, frame, height, width]."""
    mean, std = (values[:, None, None] for values in (codec.mean, codec.std))
    return (clean * std + mean).transpose(1, 2).to(next(codec.vae.parameters()).dtype)


def remembered(past: Any) -> int:
    """Bytes of the frames that a walk keeps."""
    features = past if isinstance(past, list) else past.features
    return sum(feature.nbytes for feature in features if isinstance(feature, Tensor))


def looked_into(run: Callable[[], object]) -> dict[str, Any]:
    """Operations a latent frame, and the shares of time that they take, while they are counted."""
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        run()
    events = [event for event in measured.key_averages() if event.key.startswith("aten::")]
    return {
        "operations": sum(event.count for event in events) // CHUNK,
        "stages": shares((STAGES.get(event.key, "rest"), event.self_cpu_time_total) for event in events),
    }
