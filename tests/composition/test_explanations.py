import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

from reward_forcing.composition.configuration import ConfigurationError, compose
from reward_forcing.composition.explanations import (
    explain_option,
    explain_rest,
    explain_syntax,
    explain_unknown,
    rejected_key,
    suggest,
)


@pytest.mark.parametrize(
    ("word", "allowed", "said"),
    [
        ("emma", ["ema", "none"], ". Did you mean ema?"),
        ("ema", ["ema", "none"], ""),
        ("zebra", ["ema", "none"], ""),
        ("mode", ["hydra.mode"], ""),
    ],
)
def test_suggestions(word: str, allowed: list[str], said: str) -> None:
    assert suggest(word, allowed) == said


def test_an_option_that_is_not_there() -> None:
    error = MissingConfigException("long", "sink/emma", ["none", "ema"])
    assert explain_option(error) == ("sink=emma: there is no option 'emma'; allowed: ema, none. Did you mean ema?")
    assert explain_option(MissingConfigException("first\nsecond", "train")) == "first"


def test_an_override_without_a_value() -> None:
    said = explain_syntax(OverrideParseException("sinc", "missing EQUAL"), ["sinc"])
    assert said.startswith("'sinc' is no override; write key=value")
    assert said.endswith("Did you mean sink?")


def test_a_value_that_cannot_be_read() -> None:
    said = explain_syntax(OverrideParseException("a=[", "no viable alternative\nmore"), ["a=["])
    assert "'a=[' cannot be read (no viable alternative)" in said


def test_the_rejected_key() -> None:
    assert rejected_key(ConfigCompositionException("Could not override 'a.b'.\nmore")) == "a.b"
    assert rejected_key(ConfigCompositionException("Could not delete from config. The value of 'a' is x")) == "a"
    assert rejected_key(ValueError("Could not override 'a.b'")) is None
    assert rejected_key(ConfigCompositionException("something else")) is None


def test_the_rest_is_one_line() -> None:
    assert explain_rest(ValueError("one\ntwo")) == "one"
    assert explain_rest(ValueError("Ambiguous value for argument 'sink=a,b'\n1.")).startswith(
        "sink=a,b: several values"
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("reward.weights=[]", "reward.weights=[]: allowed is keys of its own, {key: value}"),
        ("rollout.levels={a:1}", "rollout.levels={a:1}: allowed is a list, [a, b]"),
        ("sink=null", "null is no option of a group; allowed: one of its options, for instance reward=none"),
    ],
)
def test_lists_keys_and_options_do_not_stand_for_each_other(override: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        compose([override])
    assert str(error.value) == told


def test_an_unknown_key_comes_with_the_known_ones() -> None:
    config = OmegaConf.create(
        {"sink": {"_target_": "x", "frames": 3}, "seed": 0, "hydra": {"runtime": {"choices": {"sink": "none"}}}}
    )
    assert explain_unknown("sink.frame", config) == (
        "sink.frame: there is no such key; sink=none has: frames. Did you mean sink.frames?"
    )
    assert explain_unknown("sink.sharpness", config).endswith("sink=cosine_gated_ema would have it")
    assert explain_unknown("sead", config).endswith("the config has: sink, seed. Did you mean seed?")
    assert explain_unknown("seed.deep", config).startswith("seed.deep: there is no such key; the config has")
    assert explain_unknown("sink/inner", config).startswith("sink/inner: there is no such group; allowed: ")
