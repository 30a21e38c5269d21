"""Wrong commands: each gives one message with the place, the value and what is allowed, and touches nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reward_forcing.codecs.toy_codec import ToyCodec, save_codec
from reward_forcing.composition.configuration import ConfigurationError, compose
from reward_forcing.composition.validation import check_constructors, export_sizes, origin, require_files, validate
from reward_forcing.train import plan
from tests.small_runs import write_exports

WRONG = [
    ("sink=emma", "sink=emma: there is no option 'emma'; allowed: "),
    ("module=distil", "allowed: causal_init, codec_training, distillation, pretraining. Did you mean distillation?"),
    ("experiments=toy_codeck", "Did you mean toy_codec?"),
    ("preset=oficial", "Did you mean official?"),
    ("snk=ema", "snk: there is no such key; the config has: geometry, "),
    ("sead=3", "Did you mean seed?"),
    ("sink.deccay=0.5", "sink.deccay: there is no such key; sink=ema has: frames, decay. Did you mean sink.decay?"),
    ("sink=none sink.decay=0.5", "sink=none has: frames. sink="),
    ("trainer.devces=2", "Did you mean trainer.devices?"),
    ("sink/inner=ema", "sink/inner: there is no such group; allowed: "),
    ("+foo=1", "foo: there is no such key"),
    ("+seedd=1", "Did you mean seed?"),
    ("+sink.foo=1", "sink.foo: EMASink has no such key; allowed: frames, decay"),
    ("~sink.decay", "sink.decay is missing; EMASink needs it (float)"),
    ("sink", "'sink' is no override; write key=value"),
    ("loss.beta=[1,", "'loss.beta=[1,' cannot be read"),
    ("sink=none,ema", "sink=none,ema: several values need -m"),
    ("sink.decay=abc", "sink.decay is 'abc'; allowed for EMASink: float"),
    ("sink.decay=true", "sink.decay is True; allowed for EMASink: float"),
    ("sink.decay=2", "sink.decay is 2; it must be within [0, 1]"),
    ("sink.frames=0", "sink.frames is 0; an EMA sink keeps at least 1"),
    ("sink=none sink.frames=3", "sink.frames is 3; without a sink it must be 0"),
    ("seed=abc", "seed is 'abc'"),
    ("seed=-1", "seed is -1; it must be within [0, 4294967295]"),
    ("seed=1.5", "seed is 1.5"),
    ("trainer.max_steps=0", "trainer.max_steps is 0; it must be at least 1"),
    ("trainer.max_steps=many", "trainer.max_steps is 'many'; allowed for Trainer: int"),
    ("geometry.chunk_frames=4", "geometry.frames is 21; it must be a multiple of"),
    ("geometry.chunk_frames=three", "geometry.chunk_frames is 'three'; allowed for Geometry: int"),
    ("geometry.height=7", "geometry.height is 7; it must be a multiple of geometry.patch (2)"),
    (
        "memory.window_frames=4",
        "memory.window_frames is 4; it must be at least 6: sink.frames (3) + geometry.chunk_frames (3)",
    ),
    ("memory.window_frames=wide", "memory.window_frames is 'wide'; allowed for MemoryPolicy: int | None"),
    ("loss.beta=-1", "loss.beta is -1; it must be at least 0"),
    ("rollout.levels=[0.9]", "rollout.levels is (0.9,); they must start at 1"),
    ("rollout.levels=1", "rollout.levels is 1; allowed for Rollout: Sequence[float]"),
    ("rollout.context_gradient=maybe", "allowed for Rollout: Literal['detached', 'through']"),
    ("module.scores.low=x", "module.scores.low is 'x'; allowed for ScoreSettings: float"),
    ("module.guidance=3", "module.guidance: there is no such key; module=distillation has: "),
    ("world.plain_fraction=2", "plain_fraction"),
    ("sink.decay=${nope}", "sink.decay: Interpolation key 'nope' not found"),
    ("data=prompts", "data.content.prompts.path has no value; give one: data.content.prompts.path=..."),
    (
        "data.batch_size=8 module.student_recipe.micro_batches=3",
        "data.batch_size is 8; it must be a multiple of 3: the number of processes (1) times "
        "module.student_recipe.micro_batches (3)",
    ),
    (
        "data.batch_size=8 trainer.devices=3",
        "data.batch_size is 8; it must be a multiple of 3: the number of processes (3)",
    ),
    ("trainer=sharded data.batch_size=32", "it must be a multiple of 64: the number of processes (64)"),
    ("run_dir=", "run_dir is empty"),
    ("sink._target_=reward_forcing.memory.sinks.ema.EMASinc", "has no 'EMASinc'; allowed: EMASink"),
    ("sink._target_=nowhere.Sink", "sink._target_ is 'nowhere.Sink'; there is no module 'nowhere'"),
]


@pytest.mark.parametrize(("command", "said"), WRONG, ids=[command for command, _ in WRONG])
def test_wrong_commands(command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        plan(command.split(" "))
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert not any(tmp_path.iterdir())


def test_a_right_command_passes() -> None:
    validate(compose(["sink=static", "loss=dmd", "memory.window_frames=null"]))


def test_mistakes_surface_without_torch() -> None:
    """Keys and types are checked from source alone: the check must not import what takes seconds to import."""
    code = (
        "import sys\n"
        "from reward_forcing.composition.configuration import ConfigurationError\n"
        "from reward_forcing.train import plan\n"
        "try:\n    plan(['sink.decay=abc'])\n"
        "except ConfigurationError:\n    sys.exit(3 if {'torch', 'lightning'} & {*sys.modules} else 0)\n"
        "sys.exit(4)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_value_taken_from_elsewhere_is_named_where_it_was_written() -> None:
    config = compose()
    assert origin(config, "module.rollout.memory.sink.decay") == "sink.decay"
    assert origin(config, "settings.max_steps") == "trainer.max_steps"
    assert origin(config, "module.scores.shift") == "module.scores.shift"
    assert origin(config, "callbacks.sample_videos.codec.path") == "checkpoints.codec"


def test_cells_of_a_study_may_be_called_as_keys_are() -> None:
    given = ["+study.streams.rank=[]", "+study.equivalence.steps=-1"]
    validate(compose(given))
    with pytest.raises(ConfigurationError, match=r"sink\.decay is 7"):
        validate(compose([*given, "sink.decay=7.0"]))


def test_nodes_in_lists_are_checked_too() -> None:
    wrong = {"_target_": "reward_forcing.losses.strategies.re_dmd.ReDMD", "beta": "x"}
    with pytest.raises(ConfigurationError, match=r"^a\[1\]\.b\.beta is 'x'"):
        check_constructors({"a": [1, {"b": wrong}]})


def test_partial_nodes_may_leave_out_what_is_given_later() -> None:
    node = {"_target_": "torch.optim.AdamW", "lr": 0.1}
    check_constructors({"a": {**node, "_partial_": True}})
    with pytest.raises(ConfigurationError, match=r"a\.params is missing"):
        check_constructors({"a": node})


def test_exports_must_exist_and_fit(tmp_path: Path) -> None:
    overrides = write_exports(tmp_path)
    require_files(compose(overrides))
    missing = tmp_path / "nowhere.safetensors"
    with pytest.raises(
        ConfigurationError, match=r"^checkpoints.teacher is '.*nowhere.safetensors'; there is no such file"
    ):
        require_files(compose([*overrides, f"checkpoints.teacher={missing}"]))
    with pytest.raises(ConfigurationError, match=r"^geometry.channels is 4; checkpoints.\w+ \(.*\) was trained with 6"):
        require_files(compose([*overrides, "geometry.channels=4"]))


def test_students_with_adapters_must_exist_too(tmp_path: Path) -> None:
    missing = f"module.student.source={tmp_path}/none.safetensors"
    with pytest.raises(
        ConfigurationError, match=r"^module\.student\.source is '.*none\.safetensors'; there is no such"
    ):
        require_files(compose(["experiments=long_rollout", missing, "data.content.prompts.path=x"]))


def test_exports_that_are_not_loaded_need_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_files(compose(["experiments=toy_codec"]))
    with pytest.raises(ConfigurationError, match="checkpoints.codec is 'runs/toy_codec/codec.safetensors'"):
        require_files(compose(["experiments=toy_teacher"]))


def test_the_head_of_an_export(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_codec(tmp_path / "codec.safetensors", ToyCodec(channels=5, width=8))
    assert export_sizes(tmp_path / "codec.safetensors")["channels"] == 5
    (tmp_path / "text").write_text(json.dumps({"a": 1}))
    (tmp_path / "empty").write_text("")
    assert export_sizes(tmp_path / "text") == export_sizes(tmp_path / "empty") == {}


def test_a_loss_with_a_codec_of_its_own_is_not_built_to_be_checked() -> None:
    """Its keys are checked all the same."""
    validate(compose(["loss=additive", "checkpoints.codec=nowhere.safetensors"]))
    with pytest.raises(ConfigurationError, match=r"loss\.strength is 'x'"):
        validate(compose(["loss=additive", "loss.strength=x"]))
