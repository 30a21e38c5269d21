import pytest

from reward_forcing.networks.names import INSIDE_BLOCKS, OUTSIDE_BLOCKS, from_diffusers, to_diffusers
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
