"""Any number in the place of any number of the config: it is accepted, or refused by a message that names the key."""

import copy
import math
import os
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from reward_forcing.composition.configuration import ConfigurationError, compose
from reward_forcing.composition.places import groups
from reward_forcing.composition.validation import origin, validate
from reward_forcing.run_folder import flatten

BASES = (
    ["reward=none"],
    ["experiments=toy_codec"],
    ["experiments=toy_teacher"],
    ["experiments=toy_init"],
    ["module=causal_init", "objective=consistency", "data=toy_clips", "optimizer=adamw"],
    ["experiments=reward_forcing_1_3b"],
)
"""Between them they choose every group, and most options."""


@cache
def composed(base: int) -> DictConfig:
    config = compose(BASES[base])
    OmegaConf.set_readonly(config, value=False)
    OmegaConf.set_struct(config, value=False)
    del config["hydra"]
    return config


@cache
def numbers(base: int) -> list[str]:
    """The places of numbers that are written, not taken from elsewhere."""
    written: Any = OmegaConf.to_container(composed(base), resolve=False)
    return [
        key for key, value in flatten(written).items() if isinstance(value, int | float) and not isinstance(value, bool)
    ]


VALUES: st.SearchStrategy[Any] = (
    st.integers(-3, 40)
    | st.integers()
    | st.floats(-2, 2)
    | st.floats()
    | st.sampled_from([0, 1, -1, math.nan, math.inf, "many", None, True, [], {}])
)


@pytest.mark.parametrize("base", range(len(BASES)), ids=[" ".join(base) for base in BASES])
@settings(max_examples=int(os.environ.get("EXAMPLES", "5")))
@given(data=st.data())
def test_any_value_is_accepted_or_its_key_is_named(base: int, data: st.DataObject) -> None:
    key, value = data.draw(st.sampled_from(numbers(base))), data.draw(VALUES)
    config = copy.deepcopy(composed(base))
    OmegaConf.update(config, key, value, merge=False)
    said = key
    try:
        validate(config)
    except ConfigurationError as error:
        said = str(error)
    assert key.split(".")[-1] in said or origin(config, key) in said
    assert "\n" not in said


def test_most_groups_have_numbers() -> None:
    changed = {place.split(".")[0] for base in range(len(BASES)) for place in numbers(base)}
    assert {"geometry", "sink", "loss", "data", "module", "callbacks", "trainer", "optimizer", "networks"} <= changed
    assert changed - {"seed"} <= set(groups())
