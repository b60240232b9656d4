"""How much more work the paper's own size is than the page's, read from the sizes that a vignette names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from statinf.vignette.catalog import Vignette
from statinf.vignette.parse import Cell, read


def growth(vignette: Vignette) -> tuple[float, float]:
    """Factors between which the work at size full probably lies, relative to size reduced.

    Each ``pick(reduced=, full=)`` of numbers, or of lists of numbers, grows by a factor. The experiment that grows most
    decides: it grows by the largest factor, and by the two largest where they are of one experiment, such as its samples and
    its rows.

    Parameters
    ----------
    vignette : Vignette

    Returns
    -------
    low, high : float
        The largest factor, and the product of the two largest; (1, 1) where no size differs.

    Examples
    --------
    >>> from statinf.vignette.catalog import describe, find
    >>> growth(describe(find("cvar-splplus")))
    (1.0, 1.0)
    """
    parts = [part for part in read(vignette.path).parts if isinstance(part, Cell) and part.runs]
    largest = sorted((f for part in parts for f in _factors(part.source)), reverse=True)
    first, second = [max(1.0, f) for f in [*largest, 1.0, 1.0][:2]]
    return first, first * second


def _factors(source: str) -> Iterator[float]:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with a magic
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "pick":
            continue
        sizes = {word.arg: _sizes(word.value) for word in node.keywords}
        reduced, full = sizes.get("reduced"), sizes.get("full")
        if reduced and full and reduced[0] > 0 and len(reduced) == len(full):
            yield from (b / a for a, b in zip(reduced, full, strict=True) if a > 0)


def _sizes(node: ast.expr) -> list[float] | None:
    """A number as it is, the sum of a list's numbers, and each number of a tuple that is unpacked; None for others."""
    try:
        value: Any = ast.literal_eval(node)
    except ValueError:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, list, tuple)):
        return None
    if isinstance(value, (int, float)):
        return [float(value)]
    if not all(isinstance(v, (int, float)) for v in value):
        return None
    return [float(v) for v in value] if isinstance(value, tuple) else [float(sum(value))]
