"""A plan in words: a table, a line, or a refusal that says what to change."""

import io

from reward_forcing.plan.costs import GIGA, PETA
from reward_forcing.plan.networks import Node
from reward_forcing.plan.planning import LARGE, Plan, make_plan, remedies

WIDTH = 110


def require_fit(values: Node) -> str:
    """What is to be said before a run starts: the plan of one of real scale, nothing of a small one.

    Args:
        values: a composed config, resolved.

    Raises:
        ValueError: the run does not fit its hardware; with what to change, and what each change saves.
    """
    plan = make_plan(values)
    if plan is None or plan.parameters < LARGE:
        return ""
    if not plan.fits:
        raise ValueError(refusal(plan, remedies(values)))
    return table(plan)


def described(values: Node) -> str:
    """The plan of a config, fitting or not: a table at real scale, a line for what is small."""
    plan = make_plan(values)
    if plan is None:
        return "plan: no transformer is trained; a codec's training fits anywhere"
    if plan.parameters < LARGE:
        return line(plan)
    return table(plan) if plan.fits else f"{table(plan)}\n{refusal(plan, remedies(values))}"


def line(plan: Plan) -> str:
    """Parameters, memory, operations, time."""
    hardware = plan.hardware
    return (
        f"plan: {plan.parameters / 1e6:.3g} million parameters, peak {gigabytes(plan.peak)} GB a GPU, "
        f"{plan.flops / PETA:.3g} PFLOP a step, {plan.hours:.2g} hours for {plan.steps} steps on {plan.run.ranks} x "
        f"{hardware.tflops:g} TFLOP/s at {hardware.utilisation:.0%}"
    )


def table(plan: Plan) -> str:
    """Everything, in GB (1e9 bytes) of one GPU."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="plan: GB on each GPU", title_justify="left")
    shown.add_column("role")
    for header in ("parameters", "weights", "gradients", "optimiser", "together"):
        shown.add_column(header, justify="right")
    for entry in plan.lines:
        sizes = (entry.weights, entry.gradients, entry.optimiser, entry.total)
        shown.add_row(entry.role, f"{entry.parameters:,}", *map(gigabytes, sizes))
    shown.add_section()
    for name, size in plan.phases.items():
        mark = " (the widest)" if name == plan.widest else ""
        shown.add_row(f"{name}{mark}", "", "", "", "", gigabytes(size))
    console = Console(file=io.StringIO(), width=WIDTH)
    console.print(shown)
    file = console.file
    assert isinstance(file, io.StringIO)
    return f"{file.getvalue().rstrip()}\n\n{line(plan)}\n{assumptions(plan)}"


def assumptions(plan: Plan) -> str:
    """What the plan takes for granted."""
    memory = plan.hardware.memory()
    room = "unknown memory" if memory is None else f"{gigabytes(round(memory))} GB"
    return (
        f"GPU: {room}, {plan.hardware.reserved_gb:g} GB of it reserved. Peak: weights, optimisers, the gradients of "
        "one network at a time, and the widest phase. Workspaces are estimates (docs/how-to/plan.md)."
    )


def refusal(plan: Plan, saved: dict[str, float]) -> str:
    """Why a run cannot fit and what would save how much."""
    memory = plan.hardware.memory() or 0.0
    listed = [f"\n  -{gigabytes(round(size))} GB  {name}" for name, size in saved.items()]
    return (
        f"plan: the run needs {gigabytes(plan.peak)} GB on each GPU (most in {plan.widest!r}); "
        f"hardware.memory_gb is {memory / GIGA:.1f}. To change:{''.join(listed) or ' the hardware'}"
    )


def gigabytes(count: float) -> str:
    """Bytes in GB of 1e9; a dash for none."""
    return f"{count / GIGA:.2f}" if count else "-"
