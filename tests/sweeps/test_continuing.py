"""What may change when a run goes on, what may not, and what is told."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch.distributed.checkpoint.state_dict_saver import save

from reward_forcing.composition.configuration import ConfigurationError
from reward_forcing.run_folder import RunFolder
from reward_forcing.sweeps.continuing import changes, require_readable, require_same_run, tell_what_differs
from reward_forcing.sweeps.identity import config_hash
from reward_forcing.sweeps.record import code

SPLIT = {"_target_": "reward_forcing.modules.sharding.strategy", "devices": 2, "nodes": 1}


def config(micro_batches: int = 2, **trainer: Any) -> dict[str, Any]:
    return {
        "seed": 0,
        "run_dir": "a",
        "sink": {"decay": 0.9},
        "data": {"batch_size": 8, "workers": 0},
        "module": {"recipe": {"micro_batches": micro_batches}},
        "trainer": {"max_steps": 4, "devices": 1, **trainer},
    }


def begun(folder: Path, values: dict[str, Any], versions: dict[str, str]) -> Path:
    """The checkpoint of a run that noted this."""
    run = RunFolder(folder)
    run.last.parent.mkdir(parents=True)
    run.last.touch()
    run.config.write_text(OmegaConf.to_yaml(OmegaConf.create(values)))
    run.progress.write_text(json.dumps({"config_hash": config_hash(values), "versions": versions}))
    return run.last


def test_changes_are_told_but_for_what_is_free() -> None:
    before, after = config(), config(max_steps=8)
    after |= {"run_dir": "b", "sink": {"decay": 0.8}, "data": {"batch_size": 8, "workers": 4}, "new": [1]}
    assert changes({**before, "old": 1}, after) == ["sink.decay: 0.9 -> 0.8", "old: 1 -> absent", "new: absent -> [1]"]
    assert changes(before, before) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (config(1, devices=2, num_nodes=1, strategy=SPLIT), []),
        (config(1, devices="2", strategy=SPLIT), []),
        (config(2, devices=2, num_nodes=1), ["module.recipe.micro_batches (on all processes): 2 -> 4"]),
        (config(1), ["module.recipe.micro_batches (on all processes): 2 -> 1"]),
    ],
)
def test_as_many_micro_batches_may_be_done_by_other_processes(after: dict[str, Any], told: list[str]) -> None:
    """Each has its own noise, so their number on all processes together makes the run."""
    assert changes(config(), after) == told


def test_another_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    checkpoint = begun(tmp_path / "run", config(), code())
    require_same_run(checkpoint, config(max_steps=9))
    with pytest.raises(
        ConfigurationError, match=r"config is not the one of .*run/config.yaml:\n  seed: 0 -> 1\nallowed"
    ):
        require_same_run(checkpoint, {**config(), "seed": 1})


def test_other_code_and_other_processes_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = {**code(), "source": "0123456789abcdef", "torch": "1.0"}
    checkpoint = begun(tmp_path / "run", config(), before)
    tell_what_differs(checkpoint, config(1, devices=2))
    for line in (
        f"source: 0123456789abcdef -> {code()['source']}",
        f"torch: 1.0 -> {code()['torch']}",
        "trainer.devices: 1 -> 2",
        "not what an uninterrupted run gives, bit for bit",
    ):
        assert line in caplog.text


@pytest.mark.parametrize("versions", [code(), {}])
def test_the_same_code_is_not_worth_a_word(
    versions: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is that of a run that did not note it."""
    checkpoint = begun(tmp_path / "run", config(), versions)
    tell_what_differs(checkpoint, config(max_steps=9))
    assert not caplog.text


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_checkpoints_and_networks_are_both_in_parts_or_whole(tmp_path: Path) -> None:
    parts, whole = tmp_path / "parts.ckpt", tmp_path / "whole.ckpt"
    save({"a": torch.zeros(2)}, checkpoint_id=parts)
    torch.save({"state_dict": {}, "global_step": 1}, whole)
    require_readable(parts, config(strategy=SPLIT))
    require_readable(whole, config())
    for other in (
        config(),
        config(strategy=None),
        config(strategy="ddp"),
        config(strategy={"_target_": "lightning.DDPStrategy"}),
    ):
        with pytest.raises(
            ConfigurationError, match=r"parts.ckpt is in parts, and trainer keeps networks whole; allowed"
        ):
            require_readable(parts, other)
    with pytest.raises(ConfigurationError, match=r"whole.ckpt is one whole file, and trainer splits networks; allowed"):
        require_readable(whole, config(strategy=SPLIT))
    (parts / ".metadata").write_bytes(pickle.dumps(os.system))
    with pytest.raises(ValueError, match=r"parts.ckpt cannot be read as a checkpoint \(it holds posix.system"):
        require_readable(parts, config(strategy=SPLIT))
