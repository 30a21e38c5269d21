"""The plan of a training run: what lies where, how much is computed, whether it fits. Read from a composed config."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from reward_forcing.plan import helpers, objectives
from reward_forcing.plan.costs import GIGA, decode_flops
from reward_forcing.plan.hardware import Hardware
from reward_forcing.plan.networks import WIDTHS, Network, Node, networks_of
from reward_forcing.plan.phases import distillation_flops, distillation_phases, update
from reward_forcing.plan.situation import Situation, situation_of

LARGE: Final = 200_000_000
"""Parameters of all networks from which a run is of real scale."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a role takes of one GPU, in bytes.

    Args:
        role: student, teacher, ...
        parameters: of the whole network, on all GPUs together.
        weights: the parameters and copies of them in another precision.
        gradients: of them.
        optimiser: its state.
    """

    role: str
    parameters: int
    weights: int
    gradients: int = 0
    optimiser: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run takes.

    Args:
        lines: what lies in a GPU's memory all the time.
        phases: bytes that come on top for a while; the largest counts.
        flops: operations of a mean step on all GPUs together.
        steps: optimiser steps.
        run: how it runs.
        hardware: where.
    """

    lines: tuple[Line, ...]
    phases: Mapping[str, int]
    flops: float
    steps: int
    run: Situation
    hardware: Hardware

    @property
    def parameters(self) -> int:
        """Of all roles."""
        return sum(line.parameters for line in self.lines)

    @property
    def widest(self) -> str:
        """The phase that needs most."""
        return max(self.phases, key=lambda name: self.phases[name])

    @property
    def gradients(self) -> int:
        """Bytes of gradients: only one network has them at a time."""
        return max((line.gradients for line in self.lines), default=0)

    @property
    def peak(self) -> int:
        """Bytes of a GPU at the worst moment, what is reserved included."""
        lying = sum(line.weights + line.optimiser for line in self.lines) + self.gradients
        return round(lying + self.phases[self.widest] + self.hardware.reserved_gb * GIGA)

    @property
    def hours(self) -> float:
        """Time of the whole run at the assumed rate."""
        return self.flops * self.steps / (self.hardware.rate * self.run.ranks) / 3600

    @property
    def fits(self) -> bool:
        """Whether the worst moment fits a GPU; true where its memory is unknown."""
        memory = self.hardware.memory()
        return memory is None or self.peak <= memory


def make_plan(values: Node) -> Plan | None:
    """The plan of a composed config, resolved; None where no transformer is trained.

    Raises:
        ValueError: a network's source is there but damaged.
    """
    networks = networks_of(values)
    if not networks:
        return None
    run, module = situation_of(values), values["module"]
    micro_batches = run.batch / run.micro
    reward = module.get("frozen", {}).get("reward")
    if "fake_score" in networks:
        judging = helpers.judging_bytes(reward, run.geometry, run.micro)
        phases = distillation_phases(run, networks, decoding=judging)
        decoding = decode_flops(run.geometry, run.micro) if helpers.decodes(reward) else 0.0
        flops = distillation_flops(run, networks, int(module["fake_score_steps"]), judging=decoding)
    else:
        learner = next(network for network in networks.values() if network.learning)
        guide = next((network for network in networks.values() if not network.learning), None)
        work = objectives.work_of(run, module)
        phases = {**objectives.phases(run, work, learner, guide), "update": update(run, learner)}
        flops = objectives.operations(work, learner, guide)
    return Plan(
        lines=(*_network_lines(run, networks, module), *_helper_lines(module)),
        phases={name: size + gathered(run, networks) for name, size in phases.items()},
        flops=flops * micro_batches,
        steps=int(values["trainer"]["max_steps"]),
        run=run,
        hardware=Hardware(**{key: value for key, value in values["hardware"].items() if key != "_target_"}),
    )


def gathered(run: Situation, networks: Mapping[str, Network]) -> int:
    """Bytes of what is borrowed of a sharded network during a pass: two blocks and everything outside the blocks."""
    if not run.sharded:
        return 0
    width = 2 if run.mixed else 4
    return max(width * (2 * n.sizes.block_parameters + n.sizes.outer_parameters) for n in networks.values())


def _network_lines(run: Situation, networks: Mapping[str, Network], module: Node) -> list[Line]:
    lines = []
    for network in networks.values():
        share = network.weights // run.shares
        learning = network.learning * network.width // run.shares
        casts = 2 * network.learning if run.mixed and not run.sharded and network.width > 2 else 0
        states = learning * (1 if _is_muon(module) else 2)
        lines.append(
            Line(
                role=network.name,
                parameters=network.sizes.parameters,
                weights=share + casts,
                gradients=learning,
                optimiser=states if network.learning else 0,
            )
        )
        if network.averaged:
            lines.append(Line(role=f"{network.name}_ema", parameters=network.sizes.parameters, weights=share))
    return lines


def _is_muon(module: Node) -> bool:
    return "Muon" in str(module.get("recipe"))


def _helper_lines(module: Node) -> list[Line]:
    known: dict[str, Any] = {**module, **module.get("frozen", {})}
    found = {role: helpers.resident(known.get(role)) for role in ("text", "reward")}
    return [
        Line(role=f"{role}: {name}" if role not in name else role, parameters=parameters, weights=size)
        for role, models in found.items()
        for name, (parameters, size) in models.items()
    ]


Change = Callable[[dict[str, Any]], None]


def remedies(values: Node) -> dict[str, float]:
    """What could be changed, and the bytes of a GPU that each saves, the largest first; only what saves any."""
    before = make_plan(values)
    if before is None:
        return {}
    saved = {}
    for name, change in CHANGES.items():
        changed = copy.deepcopy(dict(values))
        try:
            change(changed)
        except (KeyError, TypeError):
            continue  # this config has no such part
        after = make_plan(changed)
        saved[name] = before.peak - after.peak if after else 0.0
    return {name: size for name, size in sorted(saved.items(), key=lambda pair: -pair[1]) if size >= GIGA / 20}


def _sparing(share: float, values: dict[str, Any]) -> None:
    for name in ("student", "fake_score", "teacher"):
        if isinstance(values["module"].get(name), dict):
            values["module"][name]["checkpointing"] = share


def _split(values: dict[str, Any]) -> None:
    run = situation_of(values)
    for key, node in values["module"].items():
        if key.endswith("recipe"):
            node["micro_batches"] = max(1, run.batch // run.ranks)


def _twice(values: dict[str, Any]) -> None:
    devices = situation_of(values).ranks
    values["trainer"].update(devices=max(8, 2 * devices), num_nodes=1, strategy={"_target_": "sharding.strategy"})
    values["data"]["batch_size"] = max(values["data"]["batch_size"], 8, 2 * devices)


def _narrow_teacher(values: dict[str, Any]) -> None:
    node = values["module"]["frozen"]["teacher"]
    if WIDTHS[node.get("dtype") or "float32"] > 2:
        node["dtype"] = "bfloat16"


def _written_teacher(values: dict[str, Any]) -> None:
    if not situation_of(values).sharded:
        values["module"]["frozen"]["teacher_linears"] = "int8"


def _small_teacher(values: dict[str, Any]) -> None:
    values["module"]["frozen"]["teacher"]["source"] = "Wan2.1-T2V-1.3B"


def _offloaded(values: dict[str, Any]) -> None:
    helpers.offload(values["module"]["frozen"]["reward"])


def _cached(values: dict[str, Any]) -> None:
    node = values["module"].get("frozen", values["module"])
    node["text"] = {"tokens": node["text"]["tokens"]}


CHANGES: Final[dict[str, Change]] = {
    "checkpointing: module.student.checkpointing=true module.fake_score.checkpointing=true": partial(_sparing, 1),
    "checkpointing half: module.student.checkpointing=0.5 module.fake_score.checkpointing=0.5": partial(_sparing, 0.5),
    "one sample at a time: micro_batches of the recipes": _split,
    "more GPUs, sharded: trainer=sharded trainer.devices=8 trainer.num_nodes=N": _twice,
    "a teacher in bf16: module.frozen.teacher.dtype=bfloat16": _narrow_teacher,
    "a teacher in eight bits, an approximation: module.frozen.teacher_linears=int8": _written_teacher,
    "a smaller teacher: module.frozen.teacher.source=.../Wan2.1-T2V-1.3B": _small_teacher,
    "rewards on the CPU between uses: reward.offload=true": _offloaded,
    "embeddings from disk: text=umt5_cached": _cached,
}
"""What to change, and how a config looks then."""
