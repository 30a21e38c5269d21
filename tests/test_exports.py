import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from reward_forcing.codecs.toy_codec import ToyCodec, load_codec
from reward_forcing.composition.configuration import compose, plain
from reward_forcing.composition.places import options
from reward_forcing.exports import STREAM_GROUPS, export, judge_of, notes_of
from reward_forcing.networks.wan import WanTransformer
from reward_forcing.networks.weights import load, read_notes
from reward_forcing.rewards.none import NoReward
from reward_forcing.run_folder import RunFolder
from tests import small_runs


def test_networks_and_codecs_come_back(tmp_path: Path) -> None:
    networks: dict[str, nn.Module] = {
        "student": WanTransformer(**small_runs.SIZES),
        "codec": ToyCodec(channels=6, width=8),
    }
    paths = export(networks, RunFolder(tmp_path), {"name": "x"})
    assert [path.name for path in paths] == ["student.safetensors", "codec.safetensors"]
    back = {"student": load(paths[0]), "codec": load_codec(paths[1])}
    for name, network in networks.items():
        assert all(map(torch.equal, back[name].state_dict().values(), network.state_dict().values()))
    assert read_notes(paths[0])["name"] == read_notes(paths[1])["name"] == "x"


@pytest.mark.parametrize("sink", options("sink"))
def test_notes_hold_choices_and_plain_values_only(sink: str) -> None:
    config = compose([f"sink={sink}"])
    notes = notes_of(config, plain(config))
    stream = json.loads(notes["stream"])
    assert {*stream["choices"]} == {*stream["values"]} == {*STREAM_GROUPS}
    assert stream["choices"]["sink"] == sink
    assert "_target_" not in notes["stream"]
    assert all(not isinstance(value, dict) for values in stream["values"].values() for value in values.values())


def test_what_a_run_was_is_told_of_students_only() -> None:
    told = {}
    for module in ("pretraining", "distillation"):
        config = compose([f"module={module}", "seed=3"])
        told[module] = json.loads(notes_of(config, plain(config))["stream"])["about"]
    assert told["pretraining"] == {"trained_as": "distillation", "training_seed": 3}
    assert {*told["distillation"]} - {*told["pretraining"]} == {"loss", "reward"}


def test_notes_can_name_another_sink_for_streaming() -> None:
    config = compose(["preset=official"])
    stream = json.loads(notes_of(config, plain(config))["stream"])
    assert stream["choices"]["sink"] == "ema"
    assert stream["values"]["sink"] == {"decay": 0.999}
    assert stream["choices"]["rollout"] == "official"


def test_what_a_judge_calls_itself_stands_beside_its_name() -> None:
    config = compose(["reward=video_align", "checkpoints=wan"])
    told = json.loads(notes_of(config, plain(config), reward="VideoReward MQ (uncalibrated)")["stream"])["about"]
    assert told["reward"] == "video_align: VideoReward MQ (uncalibrated)"


def test_judges_without_a_name_of_their_own() -> None:
    judge = SimpleNamespace(label="VideoReward MQ")
    assert judge_of(SimpleNamespace(frozen=SimpleNamespace(reward=judge))) == "VideoReward MQ"
    assert judge_of(SimpleNamespace(frozen=SimpleNamespace(reward=NoReward()))) == ""
    assert judge_of(SimpleNamespace()) == ""
