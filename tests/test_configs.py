"""Everything under configs/ and experiments/ composes, and says what it is."""

import itertools
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reward_forcing import train
from reward_forcing.composition.configuration import build, compose, plain
from reward_forcing.composition.places import groups, options, shipped
from reward_forcing.composition.validation import validate
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.toy.captions import VOCABULARY

NEEDED = {"data=clips": "data.content.source.path=x", "data=toy_videos": "module=codec_training"}
NEEDED |= {"data=videos": "data.content.source.path=x module=codec_training"}
NEEDED |= {"module=pretraining": "data=toy_clips", "module=causal_init": "data=toy_clips"}
NEEDED |= {"module=codec_training": "data=toy_videos"}
NEEDED |= {"data=pairs": "data.content.source.path=x", "data=prompts": "data.content.prompts.path=x"}
NEEDED |= dict.fromkeys(("codec=tiny_wan", "text=umt5", "text=umt5_cached"), "checkpoints=wan")
NEEDED |= dict.fromkeys(("reward=clip", "reward=optical_flow", "reward=video_align"), "checkpoints=wan")
NEEDED |= dict.fromkeys(("trainer=sharded", "trainer=hybrid"), "data.batch_size=64")
CHOICES = [(group, option) for group in groups() for option in options(group)]


@pytest.mark.parametrize(("group", "option"), CHOICES, ids=str)
def test_every_option_composes_and_passes(group: str, option: str) -> None:
    choice = f"{group}={option}"
    validate(compose([choice, *NEEDED.get(choice, "").split()]))


@pytest.mark.parametrize(("sink", "loss"), itertools.product(options("sink"), options("loss")))
def test_every_sink_goes_with_every_loss(sink: str, loss: str) -> None:
    config = compose([f"sink={sink}", f"loss={loss}"])
    validate(config)
    memory = build(config, "memory")
    assert isinstance(memory, MemoryPolicy)
    assert memory.window_frames == 9, "every sink gets the same context"


@pytest.mark.parametrize("reward", options("reward"))
@pytest.mark.parametrize("module", options("module"))
def test_every_reward_goes_with_every_module(module: str, reward: str) -> None:
    choices = [f"module={module}", f"reward={reward}"]
    validate(compose([*choices, *(word for choice in choices for word in NEEDED.get(choice, "").split())]))


@pytest.mark.parametrize("name", options("experiments"))
def test_every_experiment_composes_and_is_explained(name: str) -> None:
    jobs = train.plan([f"experiments={name}"])
    assert all(plain(job.config)["name"] == name for job in jobs)
    text = shipped(f"experiments/{name}.md").read_text()
    assert f"experiments={name}" in text or f"reward-forcing study {name}" in text, "the command"
    for heading in ("Question", "Expected", "Found"):
        assert f"**{heading}.**" in text


@pytest.mark.parametrize("name", [name for name in options("experiments") if name.startswith("toy_")])
@pytest.mark.parametrize("world", options("world"))
def test_the_chain_runs_in_every_world(name: str, world: str) -> None:
    (job,) = train.plan([f"experiments={name}", f"world={world}"])
    assert plain(job.config)["world"]["plain_fraction"] == (1.0 if world == "plain" else 0.3)


def test_an_experiment_may_bring_its_axes() -> None:
    jobs = train.plan(["experiments=sink_x_loss"])
    assert [job.label for job in jobs] == [
        f"sink={sink},loss={loss},seed={seed}"
        for sink in ("none", "static", "ema")
        for loss in ("dmd", "re_dmd")
        for seed in (0, 1, 2)
    ]
    assert len({str(job.config.run_dir) for job in jobs}) == 18


def test_the_official_preset() -> None:
    values = plain(compose(["preset=official"]))
    assert values["module"]["rollout"]["levels"] == [1.0, 0.9375, 0.8333333333333334, 0.625]
    assert values["module"]["scores"]["guidance_scale"] == 4.0
    assert values["loss"] == {"_target_": "reward_forcing.losses.strategies.re_dmd.ReDMD", "beta": 2.0}
    assert values["sink"]["_target_"].endswith("StaticSink")
    assert values["memory"]["window_frames"] == 9
    assert values["streaming"] == {"sink": {"option": "ema", "decay": 0.999}}


def test_the_networks_know_all_words() -> None:
    assert plain(compose())["networks"]["text_dim"] == len(VOCABULARY)


def test_the_chain_reads_what_it_wrote() -> None:
    """Each stage loads its predecessors' exports from the folders that they write to by default."""
    chain = plain(compose(["checkpoints=chain"]))["checkpoints"]
    for name, export in {"toy_codec": "codec", "toy_teacher": "teacher", "toy_init": "initial_student"}.items():
        folder = plain(compose([f"experiments={name}"]))["run_dir"]
        assert chain[export] == f"{folder}/{export}.safetensors"


@pytest.mark.parametrize(
    "path", sorted(shipped("configs").rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_targets_are_spelt_out_and_keys_are_plain(path: Path) -> None:
    content = OmegaConf.load(path)
    assert all(str(key) == str(key).lower() for key in content)
