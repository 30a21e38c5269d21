import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import InstantiationException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from reward_forcing.composition.configuration import (
    ConfigurationError,
    build,
    compose,
    plain,
    readable,
    register_resolvers,
    sweep,
)
from reward_forcing.composition.places import SEARCHED, options, shipped
from reward_forcing.memory.policy import MemoryPolicy
from reward_forcing.memory.sinks.ema import EMASink


def test_values_are_named_once() -> None:
    config = compose(["geometry.chunk_frames=1"])
    values = plain(config)
    assert values["sink"]["frames"] == values["memory"]["chunk_frames"] == 1
    assert values["module"]["rollout"]["memory"]["sink"] == values["sink"]
    assert "hydra" not in values


def test_what_is_built_is_what_is_configured() -> None:
    config = compose(["sink=ema", "sink.decay=0.25", "memory.window_frames=12"])
    built = build(config, "memory")
    assert built == MemoryPolicy(sink=EMASink(frames=3, decay=0.25), window_frames=12, chunk_frames=3)


def test_a_refusal_has_the_words_of_the_constructor() -> None:
    with pytest.raises(ConfigurationError, match=r"^sink.decay is 7; it must be within \[0, 1\]$"):
        build(compose(["sink.decay=7"]), "sink")


def test_any_working_directory_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = plain(compose(["experiments=toy_codec"]))
    assert values["name"] == "toy_codec"
    assert plain(compose())["checkpoints"]["codec"] == str(shipped("checkpoints/toy/codec.safetensors"))


def test_a_folder_of_ones_own_adds_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = options("sink")
    monkeypatch.setenv(SEARCHED, str(tmp_path))
    (tmp_path / "sink").mkdir()
    (tmp_path / "sink" / "mine.yaml").write_text("_target_: reward_forcing.memory.sinks.static.StaticSink\nframes: 1\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "study.yaml").write_text("# @package _global_\nname: study\n")
    values = plain(compose(["sink=mine", "experiments=study"]))
    assert values["sink"]["frames"] == 1
    assert values["name"] == "study"
    assert plain(compose(["experiments=toy_codec"]))["name"] == "toy_codec"
    with pytest.raises(ConfigurationError, match=rf"allowed: {', '.join(sorted([*ours, 'mine']))}"):
        compose(["sink=yours"])


@pytest.mark.parametrize("text", ["sink: {frames: 3, decay}}", "a: [1, 2", "a: b: c", "\tdecay: 1"])
def test_an_option_that_is_no_yaml_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEARCHED, str(tmp_path))
    (tmp_path / "sink").mkdir()
    (tmp_path / "sink" / "mine.yaml").write_text(f"# mine\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"mine\.yaml, line [23], column \d+: .*; this cannot be read as YAML"):
        compose(["sink=mine"])


def test_missing_values_and_loose_references_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^data.content.prompts.path has no value"):
        plain(compose(["data=prompts"]))
    with pytest.raises(ConfigurationError, match=r"^sink.decay: Interpolation key 'nope' not found$"):
        plain(compose(["sink.decay=${nope}"]))
    with pytest.raises(ConfigurationError, match=r"^a: "):
        plain(OmegaConf.create({"a": "${b}"}))


def test_a_sweep_is_the_product_of_its_axes() -> None:
    jobs = sweep(["sink=none,ema", "seed=3"], {"loss": "dmd,re_dmd"})
    expected = [[f"loss={loss}", f"sink={sink}", "seed=3"] for loss in ("dmd", "re_dmd") for sink in ("none", "ema")]
    assert jobs == expected


def test_given_values_replace_an_experiments_axis() -> None:
    assert sweep(["loss=dmd"], {"loss": "dmd,re_dmd"}) == [["loss=dmd"]]
    assert sweep(["seed=range(0,3)"], {}) == [["seed=0"], ["seed=1"], ["seed=2"]]
    assert sweep(["a=choice(1,2)", "b=[1,2]"], {}) == [["a=1", "b=[1,2]"], ["a=2", "b=[1,2]"]]


def test_what_cannot_be_swept() -> None:
    with pytest.raises(ConfigurationError, match="an interval cannot be swept"):
        sweep(["sink.decay=interval(0,1)"], {})
    with pytest.raises(ConfigurationError, match="is no override"):
        sweep(["sink"], {})


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_sweeps_have_as_many_jobs_as_combinations(sizes: list[int]) -> None:
    given_overrides = [f"k{index}={','.join(map(str, range(size)))}" for index, size in enumerate(sizes)]
    jobs = sweep(given_overrides, {})
    expected = itertools.product(*([f"k{index}={value}" for value in range(size)] for index, size in enumerate(sizes)))
    assert jobs == [list(job) for job in expected]


@pytest.mark.parametrize("value", ["runs/x/step=2.ckpt", "runs/sink=none,loss=dmd"])
def test_file_names_need_no_quotes(value: str) -> None:
    assert plain(compose([f"resume={value}"]))["resume"] == value
    assert sweep([f"resume={value}", "seed=1,2"], {}) == [[f'resume="{value}"', f"seed={seed}"] for seed in (1, 2)]


def test_what_can_be_read_stays_as_it_is() -> None:
    given_overrides = ["sink=none,ema", "a=[1,2]", "b='x=y'", "c=[", "d"]
    assert readable(given_overrides) == given_overrides


@pytest.mark.parametrize("path", ["/a b/ünï 日本/c", 'runs/a"b', "x\\y/ü", "/a b/(c)", "zwölf"])
def test_paths_mean_themselves(path: str) -> None:
    assert plain(compose([f"run_dir={path}"]))["run_dir"] == path


def test_folders_of_options_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mit Leerzeichen, ü"
    monkeypatch.setenv(SEARCHED, str(folder))
    (folder / "sink").mkdir(parents=True)
    shutil.copy(shipped("configs/sink/static.yaml"), folder / "sink" / "mine.yaml")
    assert plain(compose(["sink=mine"]))["sink"]["frames"] == 3


def test_what_composing_refuses_is_explained() -> None:
    with pytest.raises(ConfigurationError, match=rf"allowed: {', '.join(options('sink'))}"):
        compose(["sink=emma"])
    with pytest.raises(ConfigurationError, match="dekay"):
        compose(["sink=ema", "sink.dekay=0.5"])
    with pytest.raises(ConfigurationError, match="is no override"):
        compose(["sink"])


def test_composing_leaves_the_overrides_and_hydra_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["sink=ema", "resume=a=b.ckpt", "run_dir=runs/here"]
    with monkeypatch.context() as context:
        context.setenv(SEARCHED, str(tmp_path))
        first = plain(compose(overrides))
    assert overrides == ["sink=ema", "resume=a=b.ckpt", "run_dir=runs/here"]
    assert plain(compose(overrides)) == first
    assert plain(compose()) != first
    assert not GlobalHydra.instance().is_initialized()


def test_plain_values_are_copies() -> None:
    config = OmegaConf.create({"a": {"b": "${c}"}, "c": [1, 2], "hydra": {"x": "???"}})
    OmegaConf.set_readonly(config, value=True)
    values = plain(config)
    assert values == {"a": {"b": [1, 2]}, "c": [1, 2]}
    values["a"]["b"].append(3)
    assert plain(config) == {"a": {"b": [1, 2]}, "c": [1, 2]}
    assert OmegaConf.is_readonly(config)


def test_shipped_files_are_found_by_their_resolver() -> None:
    register_resolvers()
    register_resolvers()
    config = OmegaConf.create({"a": "${asset:configs/train.yaml}"})
    assert plain(config) == {"a": str(shipped("configs/train.yaml"))}


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "builtins.int", "_args_": ["x"]}, r"^part: invalid literal for int"),
        ({"_target_": "fractions.Fraction", "nope": 1}, r"^part: .*unexpected keyword argument 'nope'"),
        ({"a": "${nowhere}"}, r"^part: Interpolation key 'nowhere' not found$"),
    ],
)
def test_refusals_are_about_the_group(node: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(OmegaConf.create({"part": node}), "part")


def test_other_failures_are_not_taken_for_refusals() -> None:
    config = OmegaConf.create({"part": {"_target_": "operator.truediv", "_args_": [1, 0]}})
    with pytest.raises(InstantiationException, match="division by zero"):
        build(config, "part")


def test_what_is_built_gets_plain_containers() -> None:
    built = build(OmegaConf.create({"part": {"_target_": "builtins.dict", "a": [1, {"b": 2}]}}), "part")
    assert built == {"a": [1, {"b": 2}]}
    assert type(built["a"]) is list
    assert type(built["a"][1]) is dict


def test_a_sweep_of_nothing_is_one_job() -> None:
    assert sweep([], {}) == [[]]
    assert sweep(["a=1", "a=2,3"], {}) == [["a=2"], ["a=3"]]
    assert sweep(["~a.b", "c=1,2"], {}) == [["~a.b", "c=1"], ["~a.b", "c=2"]]


def test_what_a_value_refers_to_names_who_has_it() -> None:
    with pytest.raises(
        ConfigurationError, match=r"'checkpoints\.video_reward' not found\. checkpoints=wan would have it"
    ):
        plain(compose(["reward=video_align"]))


def test_constructors_that_name_their_group_are_not_named_twice() -> None:
    config = compose(["checkpoints=wan", "codec=wan", "codec.path=nowhere.pth"], name="stream")
    with pytest.raises(ConfigurationError, match=r"^codec: nowhere\.pth is not there"):
        build(config, "codec")
