import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reward_forcing.networks.names import (
    INSIDE_BLOCKS,
    OUTSIDE_BLOCKS,
    WRAPPERS,
    canonical,
    from_diffusers,
    to_diffusers,
)
from tests import tiny


def test_names_go_there_and_back() -> None:
    names = list(tiny.network(layers=12).state_dict())
    translated = [to_diffusers(name) for name in names]
    assert len(set(translated)) == len(names)
    assert [from_diffusers(name) for name in translated] == names


@pytest.mark.parametrize(
    ("official", "diffusers"),
    [
        ("patch_embedding.weight", "patch_embedding.weight"),
        ("time_projection.1.bias", "condition_embedder.time_proj.bias"),
        ("blocks.29.norm3.weight", "blocks.29.norm2.weight"),
        ("blocks.0.modulation", "blocks.0.scale_shift_table"),
        ("head.modulation", "scale_shift_table"),
        ("head.head.bias", "proj_out.bias"),
        ("blocks.11.cross_attn.norm_k.weight", "blocks.11.attn2.norm_k.weight"),
        ("blocks.3.ffn.0.weight", "blocks.3.ffn.net.0.proj.weight"),
    ],
)
def test_known_pairs(official: str, diffusers: str) -> None:
    assert to_diffusers(official) == diffusers
    assert from_diffusers(diffusers) == official


@pytest.mark.parametrize(
    "name", ["", "weight", "blocks.0.norm1.weight", "blocks.x.norm3.weight", "img_emb.proj.0.weight"]
)
def test_strange_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no parameter of a Wan transformer"):
        to_diffusers(name)
    with pytest.raises(ValueError, match="is no parameter of a Wan transformer"):
        from_diffusers(name)


def test_tables_are_one_to_one() -> None:
    for table in (OUTSIDE_BLOCKS, INSIDE_BLOCKS):
        assert len(set(table.values())) == len(table)


NAMES = sorted(tiny.network(layers=2).state_dict())


@given(st.sampled_from(NAMES), st.data())
def test_wrappers_anywhere_in_a_name_are_seen_through(name: str, data: st.DataObject) -> None:
    for spelling in (name, to_diffusers(name)):
        parts = [
            "".join(data.draw(st.lists(st.sampled_from(WRAPPERS), max_size=2))) + part for part in spelling.split(".")
        ]
        prefix = data.draw(st.sampled_from(["", "model.", "module.model.", "model.module.", "model.model."]))
        assert canonical(prefix + ".".join(parts)) == name
    assert canonical(canonical(name)) == name


def test_wrappers_of_torch_are_seen_through() -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    network = tiny.network(layers=1)
    names = list(network.state_dict())
    network.blocks[0] = checkpoint_wrapper(network.blocks[0])
    wrapped = [name for name, _ in torch.nn.DataParallel(network).named_parameters()]
    assert all(name.startswith("module.") for name in wrapped)
    assert any("_checkpoint_wrapped_module." in name for name in wrapped)
    assert {canonical(name) for name in wrapped} == {name for name, _ in tiny.network(layers=1).named_parameters()}
    assert {canonical(name) for name in names} == set(names)


@pytest.mark.parametrize("name", ["optimizer.step", "submodule.weight", "blocks.0.my_module.weight", ""])
def test_names_of_something_else_stay_as_they_are(name: str) -> None:
    assert canonical(name) == name
