"""Prompts of the toy world that comparisons are made on."""

from typing import Final

from reward_forcing.toy.captions import COLOURS, SHAPES, SPRITE_SPEEDS

PANS: Final = ("pan-slow", "pan-fast", "pan-still", "pan-slow", "pan-fast", "pan-any")
"""Pan words, in turns: mostly those under which a video must go on changing."""


def study_prompts(count: int) -> list[str]:
    """Captions, different up to 48, that use every colour, shape and speed about equally often.

    >>> study_prompts(2)
    ['red circle slow pan-slow', 'yellow triangle medium pan-still']
    """
    speeds = SPRITE_SPEEDS[:3]
    return [
        f"{COLOURS[i % 6]} {SHAPES[(i + i // 6) % 3]} {speeds[(i + i // 4) % 3]} {PANS[(2 * i + i // 5) % 6]}"
        for i in range(count)
    ]
