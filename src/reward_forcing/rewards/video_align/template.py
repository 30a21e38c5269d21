"""What the judge is asked: VideoAlign's words, read from the user's copy, or ours, on which it is not calibrated."""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REWARD_TOKENS: Final = ("<|VQ_reward|>", "<|MQ_reward|>", "<|TA_reward|>")
"""Where visual quality, motion quality and text alignment are read, in the order in which they must appear."""

CONSTANT = "DETAILED_PROMPT_WITH_SPECIAL_TOKEN"
PLACEHOLDER = "{text_prompt}"
CHARACTERS = 3997
DIGEST = "fdb6309bac618dd0c8b1b589d3a0970a974f7856eecbb355a190b2dce54af700"

OWN_WORDS: Final = f"""
Judge the video above, which a model made from a text. Give three marks from 0 to 10, each for itself.

How good a single frame looks: is it sharp and rich in detail, is what it shows plausible, is it well composed, is it
fit for everyone? Mark for visual quality: {REWARD_TOKENS[0]}

How good the motion is: is it smooth and steady, does it obey physics, do things stay what they are, does enough move?
A video that hardly moves gets a low mark. Mark for motion quality: {REWARD_TOKENS[1]}

How well the video shows what the text asks for: its subject, action, place, style and camera.
The text: {PLACEHOLDER}
Mark for text alignment: {REWARD_TOKENS[2]}
"""


@dataclass(frozen=True)
class Template:
    """A question with a place for the prompt.

    Args:
        text: the question; `{text_prompt}` stands for the prompt.
        calibrated: whether these are the words that VideoReward was trained on.
    """

    text: str
    calibrated: bool

    def filled(self, prompt: str) -> str:
        """The question about a video made from this prompt.

        Raises:
            ValueError: the prompt contains a reward token, so that it would be read as a mark.
        """
        for token in REWARD_TOKENS:
            if token in prompt:
                raise ValueError(f"rewards.video_align: a prompt contains {token!r}, which has a meaning for the judge")
        return self.text.replace(PLACEHOLDER, prompt)


def read(path: str | Path | None, *, characters: int = CHARACTERS, digest: str = DIGEST) -> Template:
    """The template in a file, or in our own words.

    Args:
        path: Python source that assigns DETAILED_PROMPT_WITH_SPECIAL_TOKEN (VideoAlign's prompt_template.py; parsed,
            never run), or the bare text in a file of another ending; None: our words, uncalibrated.
        characters: how many the text must have.
        digest: sha256 that its UTF-8 must have.

    Raises:
        ValueError: there is no such file or constant, or it is another text: what differs.
    """
    if path is None:
        return Template(OWN_WORDS, calibrated=False)
    if not Path(path).is_file():
        raise ValueError(
            f"rewards.video_align: template is {str(path)!r}, and there is no such file; give VideoAlign's "
            "prompt_template.py, or null for a template of our own, on which the judge is not calibrated"
        )
    text = Path(path).read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n")
    text = constant(text, str(path)) if Path(path).suffix == ".py" else text
    check(text, place=str(path), characters=characters, digest=digest)
    return Template(text, calibrated=True)


def constant(source: str, place: str) -> str:
    """The string assigned to DETAILED_PROMPT_WITH_SPECIAL_TOKEN. Raises ValueError when there is none."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ValueError(f"{place}: line {error.lineno} is no Python ({error.msg})") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == CONSTANT for name in node.targets
        ):
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                return node.value.value
            raise ValueError(f"{place}: {CONSTANT} is not a plain string; only literal text is read")
    raise ValueError(f"{place}: no {CONSTANT}; this is not VideoAlign's prompt_template.py")


def check(text: str, *, place: str, characters: int, digest: str) -> None:
    """Raise ValueError, saying what differs, unless this is the text that is meant, to the last blank."""
    found = hashlib.sha256(text.encode()).hexdigest()
    differences = [
        *(f"{mark} is missing" for mark in (PLACEHOLDER, *REWARD_TOKENS) if mark not in text),
        *([f"it has {len(text)} characters, not {characters}"] if len(text) != characters else []),
        *([f"its sha256 is {found}, not {digest}"] if found != digest else []),
    ]
    if differences:
        raise ValueError(f"{place}: not VideoAlign's template: {'; '.join(differences)}")
