"""Results as a tree of plain values and a set of arrays, and back."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.results.conforming import conforms, declared

_SEQUENCES = {"tuple": tuple, "list": list, "frozenset": frozenset}
_DATES = {"date": datetime.date, "datetime": datetime.datetime, "Timestamp": None}
_MODULE = re.compile(r"statinf(\.[a-z][a-z0-9_]*)+")
_LONGEST_EXPRESSION = 100_000


def encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """A tree of what JSON holds; arrays are put into `arrays` and named in the tree.

    Raises
    ------
    DataError
        For a value of a kind that cannot be saved.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays)
    if isinstance(value, np.generic):
        if (value.dtype.kind in "biufU" and value.dtype.itemsize <= 8) or value.dtype.kind == "U":
            return {"!": "scalar", "dtype": value.dtype.str, "value": value.item()}
        return {"!": "element", "array": _encode_array(np.asarray(value), arrays)}
    kind = type(value).__name__
    if type(value) is _SEQUENCES.get(kind):
        items = sorted(value, key=repr) if kind == "frozenset" else value
        return {"!": kind, "items": [encode(v, arrays) for v in items]}
    if isinstance(value, datetime.date) and kind in _DATES:
        return {"!": "date", "kind": kind, "text": value.isoformat()}
    if isinstance(value, slice):
        return {"!": "slice", "items": [value.start, value.stop]}
    if isinstance(value, ast.AST):
        return {"!": "expression", "text": ast.unparse(value)}
    if isinstance(value, Mapping):
        return {"!": "mapping", "items": [[encode(k, arrays), encode(v, arrays)] for k, v in value.items()]}
    if isinstance(value, Missing):
        return {"!": "function", "name": value.name}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode_record(value, arrays)
    if callable(value):
        return {"!": "function", "name": getattr(value, "__name__", "function")}
    raise DataError(f"a result that holds a {kind} cannot be saved.")


def _encode_array(value: np.ndarray, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if value.dtype.kind == "O":
        return {"!": "objects", "shape": list(value.shape), "items": [encode(v, arrays) for v in value.ravel()]}
    if value.dtype.kind == "V":
        raise DataError(f"a result that holds an array of type {value.dtype} cannot be saved.")
    key = f"array{len(arrays)}"
    arrays[key] = value
    return {"!": "array", "key": key}


def _encode_record(value: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    kind = type(value)
    kept = [f.name for f in dataclasses.fields(value) if f.init and f.metadata.get("saved", True)]
    return {
        "!": "record",
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "fields": {name: encode(getattr(value, name), arrays) for name in kept},
    }


@dataclasses.dataclass(frozen=True)
class Decoder:
    """Makes the result of a tree that `encode` made.

    Attributes
    ----------
    read : callable
        The array of a name; called once for each.
    context : mapping
        The functions that the formula used by name.
    """

    read: Callable[[str], np.ndarray]
    context: Mapping[str, Any]

    def __call__(self, node: Any, name: str = "") -> Any:
        """The value of a node; `name` is that of the field or key under which it stands."""
        if node is None or isinstance(node, bool | int | float | str):
            return node
        tag = node["!"]
        if tag in _SEQUENCES:
            return _SEQUENCES[tag](self(v) for v in node["items"])
        if tag == "mapping":
            pairs = [(self(k), v) for k, v in node["items"]]
            return {k: self(v, str(k)) for k, v in pairs}
        if tag == "record":
            return self._record(node)
        if tag == "function":
            return self.context.get(name, Missing(name or str(node["name"])))
        return self._leaf(tag, node)

    def _leaf(self, tag: str, node: Mapping[str, Any]) -> Any:
        if tag == "array":
            return self.read(node["key"])
        if tag == "element":
            return self(node["array"])[()]
        if tag == "scalar":
            return _scalar(node["value"], np.dtype(node["dtype"]))
        if tag == "objects":
            items = [self(v) for v in node["items"]]
            flat = np.empty(len(items), dtype=object)
            for i, item in enumerate(items):  # an assignment of the list would spread tuples over further axes
                flat[i] = item
            return flat.reshape(node["shape"])
        if tag == "slice":
            return slice(*(None if v is None else int(v) for v in node["items"]))
        if tag == "expression" and len(node["text"]) <= _LONGEST_EXPRESSION:
            return ast.parse(node["text"], mode="eval").body
        if tag == "date":
            return _date(node["kind"], node["text"])
        raise DataError(f"it holds a value of the unknown kind {str(tag)[:40]!r}")

    def _record(self, node: Mapping[str, Any]) -> Any:
        kind = _record_class(node["class"])
        fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
        saved = {name for name, f in fields.items() if f.metadata.get("saved", True)}
        unknown = sorted(set(node["fields"]) - saved)
        if unknown:
            raise DataError(f"{kind.__name__} has no field {unknown[0][:80]!r} in this version")
        values = {name: self(v, name) for name, v in node["fields"].items()}
        for name, value in values.items():
            if not conforms(value, kind, name):
                raise DataError(
                    f"the field {name!r} of {kind.__name__} holds a {type(value).__name__} where {declared(kind, name)} belongs"
                )
        for name, found in fields.items():
            required = found.default is dataclasses.MISSING and found.default_factory is dataclasses.MISSING
            if name in values or not required:
                continue
            if name in saved:
                raise DataError(f"the field {name!r} of {kind.__name__} is missing")
            values[name] = None
        return kind(**values)


def _scalar(value: Any, dtype: np.dtype) -> np.generic:
    expected = {"b": bool, "i": int, "u": int, "f": float, "U": str}.get(dtype.kind)
    if expected is None or type(value) is not expected:
        raise DataError(f"it holds {str(value)[:40]!r} as a number of type {dtype}")
    return dtype.type(value)


def _date(kind: str, text: str) -> Any:
    if kind == "Timestamp":
        import pandas as pd

        return pd.Timestamp(text)
    return {"date": datetime.date, "datetime": datetime.datetime}[kind].fromisoformat(text)


def _record_class(named: str) -> Any:
    module, _, qualname = named.partition(":")
    if module.split(".")[0] != "statinf":
        raise DataError(f"it names a class outside statinf ({module[:80]})")
    try:
        kind = getattr(importlib.import_module(module), qualname, None) if _MODULE.fullmatch(module) else None
    except ImportError:
        kind = None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module):
        raise DataError(f"it names {named[:160]}, which this version of statinf does not have")
    return kind


@dataclasses.dataclass(frozen=True)
class Missing:
    """Stands where the fit calls a function of the caller's that the file does not hold."""

    name: str

    def __call__(self, *args: Any, **options: Any) -> Any:
        raise DataError(
            f"the fit calls the function '{self.name}', which no file holds; load with context={{'{self.name}': ...}}."
        )
