"""Real Lightning runs, only small: what they write, how they continue, what a sweep does."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from omegaconf import OmegaConf
from safetensors.torch import load_file

from reward_forcing import train
from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import read_notes, save
from reward_forcing.sweeps.jobs import Outcome
from tests import small_runs

pytestmark = pytest.mark.filterwarnings("ignore")


def run(overrides: list[str]) -> Outcome:
    (job,) = train.plan(overrides)
    return train.run(job.config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(small_runs.distillation(tmp_path_factory.mktemp("runs") / "finished"))


def test_a_run_leaves_its_config_checkpoints_export_and_summary(finished: Outcome) -> None:
    assert (finished.state, finished.steps) == ("finished", 4)
    assert {path.name for path in finished.folder.iterdir()} == {
        "config.yaml",
        "checkpoints",
        "student.safetensors",
        "summary.json",
        "progress.json",
    }
    checkpoints = {f"step={step}.ckpt{end}" for step in (2, 4) for end in ("", ".sha256")} | {"last.ckpt"}
    assert {path.name for path in (finished.folder / "checkpoints").iterdir()} == checkpoints
    assert (finished.folder / "checkpoints" / "last.ckpt").resolve().name == "step=4.ckpt"
    summary = json.loads((finished.folder / "summary.json").read_text())
    assert summary["steps"] == 4
    assert {"student/loss", "fake_score/loss"} <= {*summary["scalars"]} == {*finished.scalars}


def test_the_saved_config_is_the_whole_one_and_runs_again(finished: Outcome) -> None:
    saved = OmegaConf.to_container(OmegaConf.load(finished.folder / "config.yaml"))
    assert isinstance(saved, dict)
    assert saved["sink"] == {"_target_": "reward_forcing.memory.sinks.ema.EMASink", "frames": 3, "decay": 0.97}
    assert "${" not in (finished.folder / "config.yaml").read_text()


def test_the_export_notes_what_streaming_takes(finished: Outcome) -> None:
    notes = read_notes(finished.folder / "student.safetensors")
    stream = json.loads(notes["stream"])
    assert stream["choices"] == {
        "geometry": "toy", "codec": "toy", "text": "toy", "sink": "ema", "memory": "default", "rollout": "default"
    }  # fmt: skip
    assert stream["values"]["sink"] == {"frames": 3, "decay": 0.97}
    assert stream["values"]["memory"]["window_frames"] == 6
    assert stream["about"] == {
        "trained_as": "distillation",
        "training_seed": 0,
        "loss": "re_dmd",
        "reward": "tracked_motion",
    }
    assert "_target_" not in notes["stream"]


@pytest.mark.parametrize(
    ("experiment", "export", "more"),
    [
        ("toy_codec", "codec", small_runs.CLIPS),
        ("toy_teacher", "teacher", [*small_runs.CLIPS, *small_runs.NETWORK]),
        ("toy_init", "initial_student", small_runs.CLIPS),
        ("toy_distillation", "student", []),
    ],
)
def test_each_link_of_the_chain(
    experiment: str, export: str, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run(
        [f"experiments={experiment}", *small_runs.distillation(tmp_path / "run", *more), "trainer.max_steps=2"]
    )
    assert outcome.state == "finished"
    assert load_file(tmp_path / "run" / f"{export}.safetensors")


def final_state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=False)
    return state


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class InterruptAt(Callback):
    """Sends this process a signal in the middle of a step."""

    step: int = 3

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


INTERRUPT = "+callbacks.interrupt._target_=tests.test_train.InterruptAt"


def test_an_interrupted_run_continues_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Ctrl-C in the fourth step lets it end; continuing to six gives what six steps in one go give, bit for bit."""
    folder = tmp_path / "stopped"
    handler = signal.getsignal(signal.SIGINT)
    overrides = [*small_runs.distillation(folder), "trainer.max_steps=6", "callbacks.checkpoints.every=100"]
    stopped = run([*overrides, INTERRUPT])
    assert (stopped.state, stopped.steps) == ("stopped", 4)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (folder / "student.safetensors").exists()
    continued = run([*overrides, "resume=auto"])
    assert (continued.state, continued.steps) == ("finished", 6)
    whole = run([*overrides[:-1], f"run_dir={tmp_path / 'whole'}"])
    one, other = final_state(folder), final_state(whole.folder)
    assert same(one["state_dict"], other["state_dict"])
    assert same(one["optimizer_states"], other["optimizer_states"])
    assert same(load_file(folder / "student.safetensors"), load_file(whole.folder / "student.safetensors"))


def test_a_finished_run_is_not_run_again_but_can_go_on(tmp_path: Path) -> None:
    overrides = small_runs.distillation(tmp_path / "run", "resume=auto")
    assert run(overrides).state == "finished"
    again = run(overrides)
    assert (again.state, again.steps) == ("finished before", 4)
    assert "student/loss" in again.scalars
    assert run([*overrides, "trainer.max_steps=5"]).steps == 5


def test_a_folder_in_use_is_refused(finished: Outcome) -> None:
    with pytest.raises(ValueError, match="which is not empty; allowed: resume=auto"):
        run(small_runs.distillation(finished.folder))


def test_a_changed_config_is_refused_with_the_difference(finished: Outcome) -> None:
    changed = small_runs.distillation(finished.folder, "resume=auto", "trainer.max_steps=6", "sink.decay=0.5")
    with pytest.raises(ConfigurationError, match=r"sink\.decay: 0\.97 -> 0\.5"):
        run(changed)


def test_continuing_from_a_checkpoint_into_another_folder(tmp_path: Path, finished: Outcome) -> None:
    source = finished.folder / "checkpoints" / "step=2.ckpt"
    overrides = [*small_runs.distillation(finished.folder), f"run_dir={tmp_path / 'branch'}", f"resume={source}"]
    branch = run(overrides)
    assert branch.steps == 4
    assert same(final_state(branch.folder)["state_dict"], final_state(finished.folder)["state_dict"])


def test_the_seed_decides(tmp_path: Path, finished: Outcome) -> None:
    overrides = small_runs.distillation(tmp_path / "run")
    same_seed, other_seed = run(overrides), run([*overrides, "seed=1", f"run_dir={tmp_path / 'other'}"])
    reference = final_state(finished.folder)["state_dict"]
    assert same(final_state(same_seed.folder)["state_dict"], reference)
    assert not same(final_state(other_seed.folder)["state_dict"], reference)


def test_a_sweep_runs_every_combination(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-m", *small_runs.distillation(tmp_path / "sweep", "sink=none,static,ema", "loss=dmd,re_dmd")]
    assert train.main([*arguments, "trainer.max_steps=1"]) == 0
    folders = {path.name for path in (tmp_path / "sweep").iterdir()} - {"hparams"}
    assert folders == {f"sink={sink},loss={loss}" for sink in ("none", "static", "ema") for loss in ("dmd", "re_dmd")}
    table = capsys.readouterr().out
    assert table.count("finished") == 6
    assert "sink=static" in table
    exports = [load_file(tmp_path / "sweep" / name / "student.safetensors") for name in sorted(folders)]
    assert all(exports)


def test_a_sweep_inside_torchrun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match=r"WORLD_SIZE is 2: a sweep \(-m\) inside torchrun would be done by"):
        train.plan(["sink=none,ema", "run_dir=x"], multirun=True)


def test_one_wrong_job_stops_a_sweep_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = small_runs.distillation(tmp_path / "sweep", "sink=none,ema", "memory.window_frames=3,9")
    assert train.main(["-m", *arguments]) == 2
    assert "memory.window_frames is 3" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("role", ["frozen.teacher", "fake_score", "student"])
def test_networks_for_other_words_are_refused_before_the_first_step(role: str, tmp_path: Path) -> None:
    save(tmp_path / "other.safetensors", WanTransformer(**{**small_runs.SIZES, "text_dim": 4}))
    overrides = small_runs.distillation(tmp_path / "run", f"module.{role}.source={tmp_path / 'other.safetensors'}")
    with pytest.raises(ValueError, match="text: embeddings have 18 features; a network takes 4: another encoder's"):
        run(overrides)


def test_a_run_for_two_devices_is_refused_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*small_runs.distillation(tmp_path / "run"), "trainer=sharded", "trainer.devices=2", "trainer.num_nodes=1"]
    assert train.main(given) == 2
    said = capsys.readouterr().err
    assert "start one a device: torchrun --nproc-per-node 2 -m reward_forcing.train geometry.frames=6" in said
    assert not (tmp_path / "run").exists()


def test_several_processes_need_a_common_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigurationError, match=r"run_dir is runs/.*now.*; several processes need a common one"):
        train.plan([])
    assert len(train.plan(["run_dir=runs/common"])) == 1


def test_jobs_are_labelled_by_what_differs() -> None:
    jobs = train.plan(["sink=none,ema", "seed=4", "run_dir=x"], multirun=True)
    assert [job.label for job in jobs] == ["sink=none", "sink=ema"]
    assert [str(job.config.run_dir) for job in jobs] == ["x/sink=none", "x/sink=ema"]
    assert [job.choices for job in jobs] == [{"sink": "none"}, {"sink": "ema"}]
    assert {job.sweep for job in jobs} == {Path("x")}
    assert (train.plan(["seed=4"])[0].label, train.plan(["seed=4"])[0].sweep) == ("", None)


def test_sweeps_go_on_unless_told_otherwise_in_a_folder_without_the_time() -> None:
    (one,) = train.plan(["seed=4"], multirun=True)
    assert (one.config.resume, str(one.config.run_dir)) == ("auto", "runs/distillation")
    assert {job.config.resume for job in train.plan(["seed=4,5", "resume=never"], multirun=True)} == {"never"}
    assert train.plan(["seed=4"])[0].config.resume == "never"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "experiments=toy_teacher"),
        (["sink=static", "--cfg", "job"], "frames: ${geometry.chunk_frames}"),
        (["sink=static", "--cfg", "job", "--resolve"], "frames: 3"),
        (["-m", "sink=none,ema", "--cfg", "job"], "# sink=none"),
    ],
)
def test_what_the_command_shows(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(arguments) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["sink=emma"], "Did you mean ema?"), (["checkpoints.teacher=nowhere"], "checkpoints.teacher is 'nowhere'")],
)
def test_what_the_command_refuses(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*small_runs.distillation(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_developers_may_ask_for_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigurationError, match="there is no option"):
        train.main(["sink=emma"])


def test_what_is_said_about_a_stopped_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = small_runs.distillation(tmp_path / "run")
    assert train.main([*arguments, "trainer.max_steps=6", INTERRUPT]) == 130
    said = capsys.readouterr().out
    assert "Stopped after step 4. To continue: reward-forcing train" in said
    assert said.rstrip().endswith(f"run_dir={tmp_path / 'run'} resume=auto")


def test_only_the_first_process_looks_after_the_folder(
    monkeypatch: pytest.MonkeyPatch, finished: Outcome, tmp_path: Path
) -> None:
    """The second of two processes must not take the first one's folder for somebody else's."""
    started: list[Any] = []

    def record(*given: Any) -> Outcome:
        started.append(given)
        return Outcome(tmp_path, 0, "stopped")

    monkeypatch.setattr(train, "_fit", record)
    monkeypatch.setenv("RANK", "1")
    assert run(small_runs.distillation(finished.folder)).state == "stopped"
    assert len(started) == 1
