"""What plain values of a config may be, by the name of their key: told before anything is built or loaded.

A constructor knows what fits its own arguments, but some are built only after weights, and others are not ours.
A key that is not listed may be any finite number; a new sink, loss or reward needs no line here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LARGEST_SEED: Final = 2**32 - 1
"""Of NumPy's and Lightning's global generators."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, the bounds themselves included unless they are `open`."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if math.isfinite(self.high):
            return f"within {'(' if self.open_low else '['}{self.low}, {self.high}{')' if self.open_high else ']'}"
        if math.isfinite(self.low):
            return f"{'above' if self.open_low else 'at least'} {self.low}"
        return "finite"


FINITE: Final = Range()
SHARE: Final = Range(0, 1)
POSITIVE: Final = Range(0, open_low=True)
NOT_NEGATIVE: Final = Range(0)
COUNT: Final = Range(1)


def _each(names: str, allowed: Range) -> dict[str, Range]:
    """The same range for several keys."""
    return dict.fromkeys(names.split(), allowed)


RANGES: Final[Mapping[str, Range]] = {
    **_each("channels chunk_frames dim ffn_dim freq_dim heads height layers patch rank text_dim tokens width", COUNT),
    **_each("batch batch_size chunks clips count every keep max_steps micro_batches pairs repeats side span", COUNT),
    **_each("steps updates content.frames sample_videos.scale devices num_nodes nodes replicas", COUNT),
    **_each("fake_score_steps largest_skips noise places ramp refresh_rate reserved_gb sprite_gain", NOT_NEGATIVE),
    **_each("keep_best start_step warmup weight_decay workers optimizer.lr guidance_scale", NOT_NEGATIVE),
    **_each("fps gradient_clip lora.alpha memory_gb muon_factor seconds shift tflops timeout_minutes", POSITIVE),
    **_each("checkpointing decay fall floor high low prompt_dropout engine.reuse", SHARE),
    **_each("until utilisation", Range(0, 1, open_low=True)),
    "betas": Range(0, 1, open_high=True),
    "seed": Range(0, LARGEST_SEED),
    **_each("max_epochs num_sanity_val_steps", Range(-1)),
}
"""By key, or by the last two keys of a place where one says too little. Items of a list are meant each."""

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "accelerator": ("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
    "precision": (
        "16", "32", "64", "bf16", "16-mixed", "16-true", "32-true", "64-true", "bf16-mixed", "bf16-true",
        "transformer-engine", "transformer-engine-float16",
    ),
    "devices": ("auto",),
}  # fmt: skip
"""Words that a key of somebody else's class takes, where its annotation does not say so."""


def out_of_range(values: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The places of plain values that are not what their keys allow, each with what is wrong about it."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from out_of_range(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from out_of_range(value, f"{place}[{index}]")
    elif fault := _fault(place, values):
        yield place, fault


def _fault(place: str, value: Any) -> str:
    names = [part.partition("[")[0] for part in place.split(".")]
    key, pair = names[-1], ".".join(names[-2:])
    words = WORDS.get(key, ()) if names[0] == "trainer" else ()
    if value is None or isinstance(value, bool) or str(value) in words:
        return ""
    if isinstance(value, int | float) and (key in RANGES or not words):
        allowed = RANGES.get(pair) or RANGES.get(key, FINITE)
        return "" if value in allowed else f" is {value}; it must be {allowed}"
    number = [f"a number {RANGES[key]}"] if key in RANGES else []
    meant = [*words, *number] if isinstance(value, str) or words else []
    return f" is {value!r}; allowed: {', '.join(meant)}" if meant else ""
