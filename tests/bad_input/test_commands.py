"""Wrong commands through the command line itself: one readable message, exit status 2, nothing written."""

import shlex
from pathlib import Path

import pytest

from reward_forcing import cli
from reward_forcing.composition.places import groups
from tests import small_runs
from tests.bad_input import corpus, files

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.write(tmp_path_factory.mktemp("bad input"))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def seen(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that is refused says."""
    try:
        status: object = cli.main(arguments)
    except SystemExit as left:  # argparse shows the usage first
        status = left.code
    said = capsys.readouterr().err
    assert status == 2, said
    assert "Traceback" not in said
    told = [line for line in said.splitlines() if line.startswith("reward-forcing")]
    assert len(told) == 1, said
    assert len(told[0]) < 4000
    return told[0]


def test_the_corpus_is_large() -> None:
    rows = [*corpus.TRAINING, *corpus.STARTING, *corpus.COMMANDS, *corpus.UNWRITABLE]
    assert len({command for command, _ in rows}) == len(rows) >= 60


@pytest.mark.parametrize(("command", "words"), corpus.TRAINING, ids=[row[0] for row in corpus.TRAINING])
def test_training_is_refused_before_weights_are_looked_for(
    command: str, words: str, nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in answer(["train", "checkpoints=chain", *shlex.split(command)], capsys)
    assert not seen(nowhere)


@pytest.mark.parametrize("group", groups())
def test_every_group_refuses_an_unknown_option_and_an_unknown_key(
    group: str, nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = answer(["train", f"{group}=nonsense"], capsys)
    assert f"{group}=nonsense: there is no option 'nonsense'; allowed: " in option
    assert f"{group}.nonsense: there is no such key" in answer(["train", f"{group}.nonsense=1"], capsys)
    assert not seen(nowhere)


@pytest.mark.parametrize(("command", "words"), corpus.STARTING, ids=[row[0] for row in corpus.STARTING])
def test_what_a_run_needs_is_looked_at_before_it_starts(
    command: str,
    words: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(place)
    before = seen(place)
    given = [*small_runs.SMALL, *small_runs.sources(Path()), "run_dir=run", *shlex.split(command)]
    assert words in answer(["train", *given], capsys)
    assert seen(place) == before


@pytest.mark.parametrize(("command", "words"), corpus.COMMANDS, ids=[row[0] for row in corpus.COMMANDS])
def test_other_commands_say_what_is_wrong(
    command: str, words: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = seen(place)
    assert words in answer(shlex.split(command), capsys)
    assert not (place / files.RAN).exists(), "code inside a file was run"
    assert seen(place) == before


@pytest.mark.parametrize(("command", "words"), corpus.UNWRITABLE, ids=[row[0] for row in corpus.UNWRITABLE])
def test_places_that_cannot_be_written_are_named(
    command: str, words: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    said = answer(shlex.split(command), capsys)
    assert words in said
    assert "allowed: a place that this user may read and write" in said


def test_the_traceback_is_there_for_whoever_asks(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match=r"sink\.decay is 2"):
        cli.main(["train", "sink.decay=2"])
    (nowhere / "file").touch()
    with pytest.raises(NotADirectoryError):
        cli.main(["data", "make", "file/in", "--clips", "2"])
