"""Saving and loading results as a zip archive of JSON and NumPy arrays, without pickle."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from statinf.errors import DataError

FORMAT = 1


def save(result: Any, path: str | os.PathLike[str]) -> Path:
    """Write a dataclass of statinf; see `Result.save`."""
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(result, arrays)
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.json", json.dumps({"format": FORMAT, "result": tree}))
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())
    partial.replace(target)
    return target


def load(path: str | os.PathLike[str], *, context: Mapping[str, Any] | None = None) -> Any:
    """Read a result that `save` wrote.

    Parameters
    ----------
    path : path-like
    context : mapping, optional
        The functions that the formula used by name; needed to predict if it used any.

    Returns
    -------
    Result
        Without the rows of the fit: what needs them says so.

    Raises
    ------
    DataError
        If the file is not one of ours, or of a newer format.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt", si.datasets.load("mtcars"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     same = si.load(fit.save(pathlib.Path(folder) / "fit.si"))
    >>> bool((same.params == fit.params).all())
    True
    """
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read("result.json"))
            arrays = {
                name[:-4]: np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a saved result of statinf: {error}") from None
    if document.get("format") != FORMAT:
        raise DataError(f"{path} was saved in format {document.get('format')}; this version reads format {FORMAT}.")
    return _decode(document["result"], arrays, dict(context or {}))


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return {"!": "objects", "items": [_encode(v, arrays) for v in value.tolist()]}
        key = f"array{len(arrays)}"
        arrays[key] = value
        return {"!": "array", "key": key}
    if isinstance(value, np.generic):
        return _encode(value.item(), arrays)
    if isinstance(value, tuple | list | frozenset):
        return {"!": type(value).__name__, "items": [_encode(v, arrays) for v in value]}
    if isinstance(value, slice):
        return {"!": "slice", "items": [value.start, value.stop]}
    if isinstance(value, ast.AST):
        return {"!": "expression", "text": ast.unparse(value)}
    if isinstance(value, Mapping):
        return {"!": "mapping", "items": [[_encode(k, arrays), _encode(v, arrays)] for k, v in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        kept = [f for f in dataclasses.fields(value) if f.init and f.metadata.get("saved", True)]
        return {
            "!": "record",
            "class": f"{kind.__module__}:{kind.__qualname__}",
            "fields": {f.name: _encode(getattr(value, f.name), arrays) for f in kept},
        }
    if callable(value):
        return {"!": "function", "name": getattr(value, "__name__", "function")}
    raise DataError(f"a result that holds a {type(value).__name__} cannot be saved.")


def _decode(node: Any, arrays: dict[str, np.ndarray], context: dict[str, Any], name: str = "") -> Any:
    if not isinstance(node, dict):
        return node
    tag = node["!"]
    if tag == "array":
        return arrays[node["key"]]
    if tag in ("tuple", "list", "frozenset", "objects"):
        items = [_decode(v, arrays, context) for v in node["items"]]
        if tag == "objects":
            return np.array(items, dtype=object)
        return {"tuple": tuple, "list": list, "frozenset": frozenset}[tag](items)
    if tag == "slice":
        return slice(*node["items"])
    if tag == "expression":
        return ast.parse(node["text"], mode="eval").body
    if tag == "mapping":
        pairs = [(_decode(k, arrays, context), v) for k, v in node["items"]]
        return {k: _decode(v, arrays, context, name=str(k)) for k, v in pairs}
    if tag == "function":
        return context.get(name, _Missing(name or node["name"]))
    module, _, qualname = node["class"].partition(":")
    if module.split(".")[0] != "statinf":
        raise DataError(f"the file names a class outside statinf ({module}); it is not read.")
    kind: Any = getattr(importlib.import_module(module), qualname, None)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise DataError(f"the file names {node['class']}, which this version of statinf does not have.")
    return kind(**{k: _decode(v, arrays, context, name=k) for k, v in node["fields"].items()})


@dataclasses.dataclass(frozen=True)
class _Missing:
    """Stands where the formula used a function of the caller's that the file does not hold."""

    name: str

    def __call__(self, *args: Any, **options: Any) -> Any:
        raise DataError(
            f"the formula uses the function '{self.name}'; load with context={{'{self.name}': ...}} to predict."
        )
