"""Values that are fine alone but not together: told before anything is built or loaded."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Values: TypeAlias = Mapping[str, Any]

GIVES: Final[Mapping[str, frozenset[str]]] = {
    "clips": frozenset({"latents", "emphasis", "prompts"}),
    "videos": frozenset({"video"}),
    "pairs": frozenset({"states", "prompts"}),
    "Prompts": frozenset({"prompts"}),
}
"""What the batches of a content hold."""

CLIPS: Final = frozenset({"latents", "emphasis", "prompts"})
NEEDS: Final[Mapping[str, frozenset[str]]] = {
    "CodecTraining": frozenset({"video"}),
    "Pretraining": CLIPS,
    "TeacherForcing": CLIPS,
    "DiffusionForcing": CLIPS,
    "Consistency": frozenset({"latents", "prompts"}),
    "ODERegression": frozenset({"states", "prompts"}),
    "Distillation": frozenset({"prompts"}),
}
"""What a module, or the objective of one, takes from a batch."""

OPTIONS: Final[Mapping[str, str]] = {
    "video": "data=toy_videos or videos", "latents": "data=toy_clips or clips", "states": "data=pairs",
    "prompts": "data=toy_prompts or prompts",
}  # fmt: skip


TEACHER: Final = "module.frozen.teacher_linears"
AREA: Final = "geometry.height times geometry.width by the square of geometry.patch"


def misfits(values: Values, loss: object = None) -> str:
    """What does not fit together in a plain config, or with its loss, as far as that is built; nothing if all does."""
    return next((fault for rule in RULES if (fault := rule(values))), "") or _gradients(values, loss)


def _contents(values: Values) -> str:
    module = values["module"]
    learner = module["objective"] if _kind(module) == "CausalInitialization" else module
    given, needed = GIVES.get(_kind(values["data"].get("content"))), NEEDS.get(_kind(learner))
    if given is None or needed is None or needed <= given:
        return ""
    lacking = next(name for name in ("video", "states", "latents", "emphasis", "prompts") if name in needed - given)
    return (
        f"data.content gives {', '.join(sorted(given))}; {_kind(learner)} needs {', '.join(sorted(needed))}: "
        f"choose {OPTIONS.get(lacking, OPTIONS['latents'])}"
    )


def _batches(values: Values) -> str:
    """Batches divide among processes, as far as their number is written, and their micro-batches."""
    ranks, batch = _processes(values), values["data"].get("batch_size")
    recipes = {
        key: node for key, node in values["module"].items() if key.endswith("recipe") and isinstance(node, Mapping)
    }
    counts = {f"module.{key}.micro_batches": node.get("micro_batches", 1) for key, node in recipes.items()}
    for name, parts in (counts or {"micro-batches": 1}).items():
        if isinstance(batch, int) and batch % (ranks * parts):
            return (
                f"data.batch_size is {batch}; it must be a multiple of {ranks * parts}: the number of processes "
                f"({ranks}) times {name} ({parts}); processes are trainer.devices times trainer.num_nodes"
            )
    return ""


def _parts(values: Values) -> str:
    """What splits networks must be able to save the optimisers in parts."""
    for key, node in values["module"].items():
        if _splits(values) and isinstance(node, Mapping) and _kind(node.get("optimizer")) == "MuonAdamW":
            return f"module.{key}.optimizer is MuonAdamW, which trainer.strategy cannot split; allowed: optimizer=adamw"
    return ""


def _copies(values: Values) -> str:
    """Networks that are split are split alike in every copy."""
    strategy = values["trainer"].get("strategy")
    copies = strategy.get("replicas", 1) if isinstance(strategy, Mapping) else 1
    if not isinstance(copies, int) or copies < 1 or not _processes(values) % copies:
        return ""
    return f"trainer.strategy.replicas is {copies}; it must divide the number of processes ({_processes(values)})"


def _teacher(values: Values) -> str:
    """A teacher in eight bits is whole in every process."""
    if _linears(values) == "exact" or not _splits(values):
        return ""
    return f"{TEACHER} is {_linears(values)!r}, which trainer.strategy cannot split; allowed: exact, or trainer=bf16"


def _gradients(values: Values, loss: object) -> str:
    """A teacher in eight bits passes no gradients on."""
    wanted = getattr(getattr(loss, "traits", None), "differentiates", ())
    if _linears(values) == "exact" or "scores" not in wanted:
        return ""
    return f"{TEACHER} is {_linears(values)!r}; {type(loss).__name__} takes gradients through scores; allowed: exact"


def _linears(values: Values) -> str:
    return str((values["module"].get("frozen") or {}).get("teacher_linears", "exact"))


def _splits(values: Values) -> bool:
    """Whether networks are split among processes."""
    strategy = values["trainer"].get("strategy")
    return isinstance(strategy, Mapping) and "sharding" in str(strategy.get("_target_"))


def _processes(values: Values) -> int:
    """How many there will be, as far as that is written."""
    devices = str(values["trainer"].get("devices", 1))
    return (int(devices) if devices.isdecimal() else 1) * int(values["trainer"].get("num_nodes", 1))


def _levels(values: Values) -> str:
    scores = values["module"].get("scores") or {}
    low, high = scores.get("low", 0), scores.get("high", 1)
    return f"module.scores.low is {low}; it must not be above module.scores.high ({high})" if low > high else ""


def _heads(values: Values) -> str:
    network = values.get("networks") or {}
    dim, heads = network.get("dim", 0), network.get("heads", 1)
    return f"networks.dim is {dim}; it must be a multiple of networks.heads ({heads})" if dim % heads else ""


def _places(values: Values) -> str:
    """A place embedding knows every token of a frame."""
    places, geometry = (values.get("networks") or {}).get("places", 0), values["geometry"]
    tokens = (geometry["height"] // geometry["patch"]) * (geometry["width"] // geometry["patch"])
    if not places or places == tokens or _kind(values["module"]) != "Pretraining":
        return ""
    return f"networks.places is {places}; it must be 0 or the tokens of a frame of the geometry ({tokens}): {AREA}"


def _lengths(values: Values) -> str:
    """Clips that are made are long enough for what is cut from them."""
    content = values["data"].get("content") or {}
    frames, made = content.get("frames"), ((content.get("source") or {}).get("clips") or {}).get("frames")
    if frames is None or made is None or frames <= made:
        return ""
    return f"data.content.frames is {frames}; data.content.source.clips.frames is only {made}"


def _kind(node: Any) -> str:
    """The last word of what a node builds."""
    return str(node.get("_target_", "")).rpartition(".")[2] if isinstance(node, Mapping) else ""


RULES: Final[tuple[Callable[[Values], str], ...]] = (
    _contents, _batches, _copies, _parts, _teacher, _levels, _heads, _places, _lengths
)  # fmt: skip
