"""Parameter names of the Wan transformer: official (ours too) and diffusers'. Pure functions on names."""

import re

OUTSIDE_BLOCKS = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.modulation": "scale_shift_table",
    "head.head": "proj_out",
}
"""Official module or parameter: diffusers' name of it."""

INSIDE_BLOCKS = {
    "modulation": "scale_shift_table",
    "norm3": "norm2",  # diffusers counts the block's normalisations in order of use
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    **{
        f"{ours}.{layer}": f"{theirs}.{name}"
        for ours, theirs in (("self_attn", "attn1"), ("cross_attn", "attn2"))
        for layer, name in {
            "q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k"
        }.items()
    },
}  # fmt: skip
"""The same for what follows `blocks.N.`."""


def to_diffusers(name: str) -> str:
    """The name diffusers' WanTransformer3DModel gives to an official parameter.

    Raises:
        ValueError: no text-to-video Wan transformer has such a parameter.

    >>> to_diffusers("blocks.7.self_attn.o.weight")
    'blocks.7.attn1.to_out.0.weight'
    """
    return _translate(name, OUTSIDE_BLOCKS, INSIDE_BLOCKS)


def from_diffusers(name: str) -> str:
    """The official name of a parameter of diffusers' WanTransformer3DModel.

    Raises:
        ValueError: no text-to-video Wan transformer has such a parameter.

    >>> from_diffusers("scale_shift_table")
    'head.modulation'
    """
    return _translate(name, _swapped(OUTSIDE_BLOCKS), _swapped(INSIDE_BLOCKS))


WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod.", "module.")
"""What sharding, checkpointing, compiling and parallel wrappers put into names, anywhere."""


def canonical(name: str) -> str:
    """The official name behind wrappers, the prefix `model.` of released containers, and diffusers' names.

    >>> canonical("model._fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module.self_attn.q.weight")
    'blocks.0.self_attn.q.weight'
    >>> canonical("blocks.7.attn1.to_out.0.weight")
    'blocks.7.self_attn.o.weight'
    """
    while True:
        bare = name
        for wrapper in WRAPPERS:
            bare = re.sub(rf"(^|\.){re.escape(wrapper)}", r"\1", bare)
        bare = bare.removeprefix("model.")
        if bare == name:
            break
        name = bare
    try:
        return from_diffusers(name)
    except ValueError:
        return name


def _swapped(table: dict[str, str]) -> dict[str, str]:
    return {theirs: ours for ours, theirs in table.items()}


def _translate(name: str, outside: dict[str, str], inside: dict[str, str]) -> str:
    found = re.fullmatch(r"(blocks\.\d+\.)?(.*?)(\.weight|\.bias)?", name)
    assert found is not None
    block, module, kind = found.groups("")
    table = inside if block else outside
    if module not in table:
        raise ValueError(f"names: {name!r} is no parameter of a Wan transformer; its modules are {', '.join(table)}")
    return f"{block}{table[module]}{kind}"
