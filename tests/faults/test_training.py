"""Faults in the middle of a real training, through the command line."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reward_forcing import cli
from reward_forcing.shapes import Latents, Rewards
from tests import small_runs
from tests.training import Brightness

pytestmark = pytest.mark.filterwarnings("ignore")


class Judge(Brightness):
    """Fails at its second call as long as there is a file; a training makes two."""

    def __init__(self, *, sign: str) -> None:
        self.sign, self.calls = Path(sign), 0

    def __call__(self, clean: Latents, prompts: Sequence[str]) -> Rewards:
        self.calls += 1
        if self.calls == 2 and self.sign.is_file():
            FAILURES[self.sign.read_text()]()
        return super().__call__(clean, prompts)


def breaks() -> None:
    raise RuntimeError("the judge is out of order")


def fills_memory() -> None:
    torch.empty(10**15)


FAILURES = {"breaks": breaks, "fills memory": fills_memory}
JUDGE = ["reward=none", "reward._target_=tests.faults.test_training.Judge"]


def train(parts: Path, name: str, *more: str) -> int:
    """Four steps, every other one of the student; checkpoints at the end only."""
    chosen = [*JUDGE, f"+reward.sign={parts / 'sign'}", "module.fake_score_steps=1", "callbacks.checkpoints.every=100"]
    given = [*small_runs.SMALL, *small_runs.sources(parts), *chosen, f"run_dir={parts / name}", "trainer.max_steps=4"]
    before = signal.getsignal(signal.SIGINT)
    status = cli.main(["train", *given, "resume=auto", *more])
    assert signal.getsignal(signal.SIGINT) is before
    return status


SECRET = "hf_thisIsNobodysBusiness"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with exports to start from, and `whole`, a run in which the judge never failed."""
    folder = tmp_path_factory.mktemp("training")
    small_runs.write_exports(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, SECRET)
        assert train(folder, "whole", "logger=tensorboard") == 0
    return folder


def test_no_file_of_a_training_holds_a_secret(parts: Path) -> None:
    files = [path for path in (parts / "whole").rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_reward_that_fails_ends_a_training_which_goes_on_from_the_step_before(
    failure: str, parts: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (parts / "sign").write_text(failure)
    if failure == "breaks":
        with pytest.raises(RuntimeError, match="the judge is out of order"):
            train(parts, failure)
    else:
        assert train(parts, failure) == 1
        assert "memory is short" in capsys.readouterr().err
    assert "The state after step 2 is saved" in caplog.text
    (parts / "sign").unlink()
    assert train(parts, failure) == 0
    whole, went_on = (load_file(parts / run / "student.safetensors") for run in ("whole", failure))
    assert all(torch.equal(went_on[name], value) for name, value in whole.items())
