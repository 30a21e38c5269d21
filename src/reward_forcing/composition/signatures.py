"""What constructors accept, read from their source: nothing is imported, so a slip in a config surfaces in no time."""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reward_forcing.composition.places import PACKAGE

BASIC: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "Path": (str,),
    "None": (type(None),),
    "dict": (dict,),
    "Mapping": (dict,),
    "list": (list,),
    "tuple": (list,),
    "Sequence": (list,),
    "Iterable": (list,),
    "Tensor": (),
}
"""What a yaml value of an annotation looks like; annotations that are not listed accept anything."""


RESERVED = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
"""Keys of a node that speak to Hydra, not to the constructor."""


@dataclass(frozen=True)
class Parameter:
    """A keyword of a constructor."""

    annotation: ast.expr | None
    required: bool

    def __str__(self) -> str:
        return ast.unparse(self.annotation) if self.annotation else "anything"


@dataclass(frozen=True)
class Signature:
    """The keywords of a constructor; `open` if it takes any others, too."""

    name: str
    parameters: dict[str, Parameter]
    open: bool = False


@cache
def signature_of(target: str) -> Signature | None:
    """The signature of a class or function, `package.module.Name`; None if its source does not tell.

    Raises:
        ValueError: there is no such module, or nothing of that name in it.
    """
    module, _, name = target.rpartition(".")
    path = _source_of(module)
    if path is None:
        raise ValueError(f"there is no module {module!r}; allowed: the dotted path of a class or function")
    if path.suffix != ".py":
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return _of_class(node) if isinstance(node, ast.ClassDef) else _of_function(node)
    for source, original in _imports(tree, module, is_package=path.name == "__init__.py"):
        if original.get(name):
            return signature_of(f"{source}.{original[name]}")
    if path.is_relative_to(PACKAGE):
        raise ValueError(f"{module} has no {name!r}; allowed: {', '.join(_classes(tree))}")
    return None


def accepts(annotation: ast.expr | None, value: Any) -> bool:
    """Whether a plain value from yaml can be meant for a parameter annotated like that."""
    if isinstance(value, dict) and "_target_" in value:
        return not (isinstance(annotation, ast.Name) and annotation.id in BASIC)
    if isinstance(annotation, ast.BinOp):
        return accepts(annotation.left, value) or accepts(annotation.right, value)
    if isinstance(annotation, ast.Subscript):
        return _accepts_subscript(annotation, value)
    name = _name(annotation)
    if name not in BASIC:
        return True
    return isinstance(value, BASIC[name]) and (not isinstance(value, bool) or name == "bool")


def _accepts_subscript(annotation: ast.Subscript, value: Any) -> bool:
    outer = _name(annotation.value)
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if outer == "Literal":
        return value in [getattr(choice, "value", None) for choice in inner]
    if outer == "Optional":
        return value is None or accepts(inner[0], value)
    if outer == "Union":
        return any(accepts(choice, value) for choice in inner)
    if BASIC.get(outer) == (list,):
        return isinstance(value, list) and _accepts_items(inner, value, fixed=outer == "tuple")
    return accepts(annotation.value, value)


def _accepts_items(inner: list[ast.expr], values: list[Any], *, fixed: bool) -> bool:
    if fixed and not (isinstance(inner[-1], ast.Constant) and inner[-1].value is ...):
        return len(inner) == len(values) and all(map(accepts, inner, values))
    return all(accepts(inner[0], value) for value in values)


def _name(annotation: ast.expr | None) -> str:
    """The last word of an annotation, "None" for None, "" if it has none."""
    if isinstance(annotation, ast.Attribute):
        return annotation.attr
    if isinstance(annotation, ast.Constant):
        return str(annotation.value)
    return annotation.id if isinstance(annotation, ast.Name) else ""


def _source_of(module: str) -> Path | None:
    """The file of a module; only the first part of its name is looked up by Python, the rest on disk."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first) if first else None
    if spec is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin or "") if not rest else None
    for location in spec.submodule_search_locations:
        base = Path(location).joinpath(*rest)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Modules that a module imports names from, with local names and what they are called there."""
    parents = [*module.split("."), ""] if is_package else module.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = [*parents[: len(parents) - node.level]] if node.level else []
            yield (
                ".".join([*base, *([node.module] if node.module else [])]),
                {a.asname or a.name: a.name for a in node.names},
            )


def _classes(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) if node.name[0] != "_"]


def _of_function(node: ast.FunctionDef, name: str | None = None, *, bound: bool = False) -> Signature:
    arguments = [*node.args.posonlyargs, *node.args.args]
    needed = len(arguments) - len(node.args.defaults)
    parameters = {a.arg: Parameter(a.annotation, required=i < needed) for i, a in enumerate(arguments)}
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        parameters[argument.arg] = Parameter(argument.annotation, required=default is None)
    if bound:
        parameters.pop(arguments[0].arg)
    return Signature(name or node.name, parameters, open=node.args.kwarg is not None)


def _of_class(node: ast.ClassDef) -> Signature | None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return _of_function(item, node.name, bound=True)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
        return Signature(
            node.name, {_name(f.target): Parameter(f.annotation, required=f.value is None) for f in fields}
        )
    return None if node.bases else Signature(node.name, {})
