"""Whether a value read from a file is what the annotation of its field says.

Annotations are read as text: a name that is imported for the type checker alone stands for a class of that name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

_NUMBERS: Mapping[type, tuple[type, ...]] = {
    float: (float, int, np.floating, np.integer),
    int: (int, np.integer),
    bool: (bool, np.bool_),
    complex: (complex, float, int, np.number),
}


def conforms(value: Any, kind: type, field: str) -> bool:
    """Whether `value` is of the type that the dataclass `kind` declares for `field`.

    Parameters
    ----------
    value : object
    kind : type
        A dataclass whose module postpones annotations, so that they are text.
    field : str
    """
    node, module = _annotation(kind, field)
    return _is(value, node, module)


def declared(kind: type, field: str) -> str:
    """The annotation of a field, for messages."""
    return ast.unparse(_annotation(kind, field)[0])


@cache
def _annotation(kind: type, field: str) -> tuple[ast.expr, str]:
    """The annotation of a field and the module whose names it uses: that of the class that declares it."""
    for base in kind.__mro__:
        text = inspect.get_annotations(base).get(field)
        if text is not None:
            return ast.parse(text if isinstance(text, str) else "object", mode="eval").body, base.__module__
    return ast.parse("object", mode="eval").body, kind.__module__


def _is(value: Any, node: ast.expr, module: str) -> bool:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _is(value, ast.parse(node.value, mode="eval").body, module)
        return value is node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _is(value, node.left, module) or _is(value, node.right, module)
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _is(value, node.value, module) and _holds(value, ast.unparse(node.value), inside, module)
    return _is_named(value, ast.unparse(node), module)


def _is_named(value: Any, name: str, module: str) -> bool:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, getattr(builtins, part, None))
    if found is None:
        return any(name.split(".")[-1] == base.__name__ for base in type(value).__mro__)
    if found is Any or not isinstance(found, type):  # Any, and names of whole annotations
        return True
    if getattr(found, "_is_protocol", False):
        return all(hasattr(value, member) for member in _members(found))
    if found in _NUMBERS:
        return isinstance(value, _NUMBERS[found]) and (found is bool or not isinstance(value, bool | np.bool_))
    return isinstance(value, found)


@cache
def _members(protocol: type) -> tuple[str, ...]:
    """What a class must have to follow a protocol."""
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    names = {name for base in bases for name in (*vars(base), *inspect.get_annotations(base))}
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _holds(value: Any, name: str, inside: Sequence[ast.expr], module: str) -> bool:
    """Whether a container of the right kind holds what its annotation says."""
    if name == "tuple" and not (len(inside) == 2 and _is_dots(inside[1])):
        return len(value) == len(inside) and all(_is(v, n, module) for v, n in zip(value, inside, strict=True))
    if name in ("tuple", "list", "set", "frozenset", "Sequence"):
        return all(_is(v, inside[0], module) for v in value)
    if name in ("dict", "Mapping"):
        return all(_is(k, inside[0], module) and _is(v, inside[1], module) for k, v in value.items())
    if name == "Literal":
        return any(value == ast.literal_eval(n) for n in inside)
    return True


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
