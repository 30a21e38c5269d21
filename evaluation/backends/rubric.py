"""What a vision-language judge is asked, and how its answer is read."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

ASPECTS: Final = ("text_alignment", "dynamics", "visual_quality")
"""What is marked, each from LOWEST to HIGHEST."""
LOWEST, HIGHEST = 1, 5

RUBRIC: Final = """\
The pictures above are frames of one video, in order of time. A model made the video from this text:

"{prompt}"

Mark three things with whole numbers from 1 to 5. Judge each by itself, and use the whole scale.

text_alignment: do the frames show what the text asks for: its subjects, what they do, where, in which style?
1: something else. 2: the rough topic only. 3: the main subject, with important things missing or wrong. 4: nearly all \
of it. 5: all of it.

dynamics: does as much move as the text suggests, in a way that could happen, and does it go on?
1: a still picture. 2: hardly any motion, or motion that starts over. 3: some motion, stiff or implausible in places. \
4: natural motion with small flaws. 5: rich and natural motion all along.

visual_quality: how do the frames look: sharpness, colours, light, shapes, freedom from artefacts?
1: broken. 2: heavy artefacts, burnt or washed-out colours. 3: usable, with flaws that are easy to see. 4: good, with \
small flaws. 5: like a good recording.

Answer with these three lines and nothing else, N being your mark:
text_alignment: N
dynamics: N
visual_quality: N"""

THOUGHT: Final = "</think>"
"""What models that think aloud end their thoughts with."""
SHOWN: Final = 60
"""Characters of an answer that an error quotes."""


def question(prompt: str) -> str:
    """What is asked about a video made from a prompt."""
    return RUBRIC.replace("{prompt}", prompt)


def digest() -> str:
    """SHA-256 of the rubric: scores under other words are other scores."""
    return hashlib.sha256(RUBRIC.encode()).hexdigest()


def read_answer(answer: str) -> dict[str, float]:
    r"""The marks in an answer, in lines or as JSON; thoughts before it are passed over.

    >>> read_answer("text_alignment: 4\n**Dynamics**: 2/5\nvisual quality = 5")
    {'text_alignment': 4.0, 'dynamics': 2.0, 'visual_quality': 5.0}

    Raises:
        ValueError: a mark is missing, is given twice in different ways, or is no whole number from 1 to 5.
    """
    said = answer.rpartition(THOUGHT)[2]
    return {aspect: _mark(aspect, said) for aspect in ASPECTS}


def _mark(aspect: str, said: str) -> float:
    name = aspect.replace("_", "[_ ]")
    found = {float(mark) for mark in re.findall(rf"(?i)\b{name}\b[\"*`]*\s*[:=]\s*[\"*`]*(-?\d+(?:\.\d+)?)", said)}
    quoted = " ".join(said.split())[:SHOWN]
    if len(found) != 1:
        problem = f"marks {aspect} {len(found)} times in different ways" if found else f"has no mark for {aspect}"
        raise ValueError(f"the answer {quoted!r} {problem}")
    (mark,) = found
    if not mark.is_integer() or not LOWEST <= mark <= HIGHEST:
        raise ValueError(f"the answer {quoted!r} marks {aspect} with {mark:g}; allowed: {LOWEST} to {HIGHEST}")
    return mark


def checked(marks: Mapping[str, float]) -> dict[str, float]:
    """Marks of all aspects, NaN where a judge leaves one out.

    Raises:
        ValueError: there is none, one of something else, or one that is not from 1 to 5 (NaN is allowed).
    """
    strange = [name for name in marks if name not in ASPECTS]
    if strange or not marks:
        raise ValueError(f"marks of {', '.join(map(str, strange)) or 'nothing'}; allowed: {', '.join(ASPECTS)}")
    for name, mark in marks.items():
        if mark < LOWEST or mark > HIGHEST:
            raise ValueError(f"{name} is {mark}; allowed: {LOWEST} to {HIGHEST}")
    return {name: float(marks.get(name, float("nan"))) for name in ASPECTS}
