"""What pages promise: links lead somewhere, commands are commands, the front page is short."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

from reward_forcing import train
from reward_forcing.arguments import parser
from reward_forcing.composition.places import SEARCHED
from reward_forcing.study.command import parser as study_parser
from reward_forcing.study.planning import studies

ROOT = Path(__file__).parents[1]
INVENTED = {f"docs/how-to/add-{what}.md" for what in ("a-sink", "a-loss", "a-reward", "an-experiment")}
INVENTED |= {"docs/tutorial/first-ablation.md"}
"""Pages whose commands name what the reader is about to write; `tests/properties` follows them."""


@cache
def pages() -> list[str]:
    """All pages of the project, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return listed.split() or [str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page: str) -> list[list[str]]:
    """The words of every `reward-forcing ...` line in a page's blocks, without the program's name."""
    found = []
    for line in re.findall(r"^(?: {4})?(reward-forcing \w+(?: [^\n]*)?)$", read(page), re.MULTILINE):
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if "..." not in words:
                found.append(words[1:])
    return found


TRAINING = [
    (page, words[1:])
    for page in pages()
    if page not in INVENTED
    for words in commands(page)
    if words[:1] == ["train"] and not {"--help", "--cfg"} & set(words)
]
STUDIES = [(page, words[1:]) for page in pages() for words in commands(page) if words[:1] == ["study"]]
OTHERS = [(page, words) for page in pages() for words in commands(page) if words[0] not in ("train", "study")]


def name(case: object) -> str | None:
    return " ".join(case) if isinstance(case, list) else None


@pytest.mark.parametrize(("page", "words"), TRAINING, ids=name)
def test_trainings_that_pages_show_can_be_planned(page: str, words: list[str]) -> None:
    overrides = [word for word in words if word not in {"-m", "--multirun", "--plan"}]
    jobs = train.plan(overrides, multirun=not {"-m", "--multirun"}.isdisjoint(words))
    assert jobs, page


@pytest.mark.parametrize(("page", "words"), STUDIES, ids=name)
def test_studies_that_pages_show_exist(
    page: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SEARCHED, "")
    given = study_parser().parse_intermixed_args(words)
    assert page in INVENTED or given.name is None or given.name in studies()


@pytest.mark.parametrize(("page", "words"), OTHERS, ids=name)
def test_commands_that_pages_show_are_understood(page: str, words: list[str]) -> None:
    assert parser().parse_args(words).command == words[0], page


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read(page)):
        if not re.match(r"\w+:", target):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", pages())
def test_blocks_of_code_are_closed(page: str) -> None:
    assert read(page).count("\n```") % 2 == 0


def test_the_front_page_is_short_and_shows_how_data_flows() -> None:
    front = read("README.md")
    assert front.count("\n") < 200
    assert len(re.findall(r"!\[", front)) == 1
    for command in ("make demo", "make test"):
        assert command in front


def test_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    for page in pages():
        named = set(re.findall(r"^(?: {4})?make (\w+)", read(page), re.MULTILINE))
        assert named <= targets, f"{page}: {named - targets}"


def test_files_that_the_contribution_guide_names_exist() -> None:
    for path in re.findall(r"`((?:src|tests|tools|docs)/[\w./-]+)`", read("CONTRIBUTING.md")):
        assert (ROOT / path).exists(), path


def test_every_page_is_in_the_index() -> None:
    """Of docs/, those of decisions and explanation in indices of their own."""
    for folder in ("docs", "docs/explanation", "docs/decisions"):
        index = f"{folder}/README.md"
        linked = {((ROOT / folder) / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", read(index))}
        inside = {page for page in pages() if page.startswith(f"{folder}/") and page != index}
        apart = {page for page in inside if folder == "docs" and Path(page).parent.name in ("explanation", "decisions")}
        missing = [page for page in inside - apart if (ROOT / page).resolve() not in linked]
        assert not missing, f"{index} has no link to {', '.join(missing)}"
