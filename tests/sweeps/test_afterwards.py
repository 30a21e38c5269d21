import pytest

from reward_forcing.sweeps.afterwards import function_named, name_of
from reward_forcing.sweeps.hparams import value_of
from reward_forcing.sweeps.jobs import folder_name


def test_a_function_is_found_by_its_name_again() -> None:
    name = name_of(folder_name)  # type: ignore[arg-type]
    assert name == "reward_forcing.sweeps.jobs:folder_name"
    found: object = function_named(name)
    assert found is folder_name
    assert name_of("reward_forcing.sweeps.hparams:value_of") == f"{value_of.__module__}:value_of"
    assert name_of(None) == name_of("") == ""


@pytest.mark.parametrize("name", ["nowhere:f", "reward_forcing.sweeps.jobs:nothing", "f", ":f"])
def test_what_another_process_could_not_find_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"after is '{name}'; allowed is module:function"):
        name_of(name)


def test_a_function_in_a_function_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed is module:function"):
        name_of(lambda job, outcome: None)  # noqa: ARG005
