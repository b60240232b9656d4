"""How the levels of a categorical variable become columns."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError


@dataclass(frozen=True)
class Coding:
    """Levels and their contrasts.

    Attributes
    ----------
    levels : tuple
        Levels in order.
    suffixes : tuple of str
        What follows the factor's name for each column of the reduced coding.
    marks : ndarray of int, shape (levels,), or None
        The column of the reduced coding that is 1 at each level, -1 where all are 0; None for a coding
        that is more than dummies.
    contrast : ndarray, shape (levels, columns), or None
        The reduced coding where `marks` cannot say it. It serves a factor whose margin is in the model.
    fixed : bool
        Whether the reduced coding serves everywhere.
    """

    levels: tuple[Any, ...]
    suffixes: tuple[str, ...]
    marks: np.ndarray | None
    contrast: np.ndarray | None = None
    fixed: bool = False

    def names(self, reduced: bool) -> tuple[str, ...]:
        """Name suffixes of the columns, reduced by the margin or one dummy per level."""
        return self.suffixes if reduced or self.fixed else tuple(f"[{level}]" for level in self.levels)

    def columns(self, reduced: bool) -> int:
        return len(self.suffixes) if reduced or self.fixed else len(self.levels)

    def marked(self, reduced: bool) -> np.ndarray | None:
        """The column of ones of each level, or None for a coding that is more than dummies."""
        return self.marks if reduced or self.fixed else np.arange(len(self.levels))


def coding_for(levels: tuple[Any, ...], contrast: ast.AST | None, name: str) -> Coding:
    """The coding of observed levels under a contrast as written in `C(g, contrast)`; treatment by default.

    Raises
    ------
    FormulaError
        If the contrast is not known or does not fit the levels.
    """
    if contrast is None:
        return Coding(levels, tuple(f"[T.{level}]" for level in levels[1:]), np.arange(len(levels)) - 1)
    from formulaic.transforms.contrasts import Contrasts, ContrastsRegistry, CustomContrasts

    if len(levels) > _MAX_DENSE:
        raise FormulaError(f"C({name}): contrasts other than the default are limited to {_MAX_DENSE:,} levels.")
    try:
        made = _contrast_object(contrast, levels, ContrastsRegistry, CustomContrasts)
        if not isinstance(made, Contrasts):
            raise ValueError("it is no contrast")
        matrix = np.asarray(made.get_coding_matrix(list(levels), reduced_rank=True), dtype=np.float64)
        fields = list(made.get_coding_column_names(list(levels), reduced_rank=True))
        form = made.get_factor_format(list(levels), reduced_rank=True)
        suffixes = tuple(form.format(name="", field=f) for f in fields)
        if matrix.shape != (len(levels), len(suffixes)) or not np.isfinite(matrix).all():
            raise ValueError(f"it has shape {matrix.shape}; finite numbers, one row per level, are needed")
    except Exception as error:
        # The contrast is the formula's: whatever it makes the library raise is the formula's fault.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise FormulaError(
            f"{name}: the contrast '{ast.unparse(contrast)[:80]}' does not fit the levels {list(levels)[:12]}: {reason}"
        ) from None
    marks = _marks_of(matrix)
    return Coding(levels, suffixes, marks, matrix if marks is None else None)


def fixed_coding(levels: tuple[Any, ...], call: ast.Call, name: str) -> Coding:
    """One dummy a level other than those in the `ref=` of an `i()`, whatever else the model spans.

    Raises
    ------
    FormulaError
        If a reference is none of the levels, or no level is left.
    """
    try:
        written = ast.literal_eval(call.keywords[0].value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise FormulaError(f"'{name}': ref= is a level, or a list of levels.") from None
    references = [_level(v, levels, name) for v in (written if isinstance(written, list | tuple) else [written])]
    kept = [v for v in levels if v not in references]
    if not kept:
        raise FormulaError(f"'{name}': every level is a reference; leave one out of ref=.")
    marks = np.array([kept.index(v) if v in kept else -1 for v in levels])
    return Coding(levels, tuple(f"[{level}]" for level in kept), marks, fixed=True)


def _level(wanted: Any, levels: tuple[Any, ...], name: str, by_place: bool = False) -> Any:
    """The level that a text or number means: its own, else the one of that text, else the one at that place."""
    found = [v for v in levels if v == wanted] or [v for v in levels if str(v) == str(wanted)]
    if not found and by_place and isinstance(wanted, int) and 1 <= wanted <= len(levels):
        return levels[wanted - 1]
    if not found:
        raise FormulaError(f"'{name}': the reference {wanted!r} is not a level; the levels are {list(levels)[:12]}.")
    return found[0]


def _marks_of(matrix: np.ndarray) -> np.ndarray | None:
    ones = matrix == 1.0
    if not np.all(ones | (matrix == 0.0)) or np.any(ones.sum(axis=1) > 1):
        return None
    return np.where(ones.any(axis=1), ones.argmax(axis=1), -1)


_MAX_DENSE = 2_000
_PATSY_NAMES = {"Treatment": "treatment", "Sum": "sum", "Helmert": "helmert", "Poly": "poly", "Diff": "diff"}


def _contrast_object(node: ast.AST, levels: tuple[Any, ...], registry: Any, custom: Any) -> Any:
    arguments: list[Any] = []
    options: dict[str, Any] = {}
    if isinstance(node, ast.Call):
        arguments = [ast.literal_eval(a) for a in node.args]
        options = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
        node = node.func
    if isinstance(node, ast.Attribute):
        name = node.attr
    elif isinstance(node, ast.Name):
        name = _PATSY_NAMES[node.id]
        if "reference" in options:
            options["base"] = options.pop("reference")
    else:
        value = ast.literal_eval(node)  # type: ignore[arg-type]
        return custom(np.asarray(value, dtype=np.float64) if isinstance(value, list | tuple) else value)
    if name not in ("treatment", "SAS", "sum", "helmert", "diff", "poly", "custom"):
        raise ValueError(f"contr.{name} is not known")
    if name == "treatment" and arguments:
        base = arguments.pop(0)
        # R's first argument is the number of levels.
        counts = isinstance(base, int) and not isinstance(base, bool) and base == len(levels) and base not in levels
        options["base"] = options.get("base", levels[0]) if counts else base
    if name == "treatment" and "base" in options:
        options["base"] = _level(options["base"], levels, "contr.treatment", by_place=True)
    if name == "SAS" and options.get("base") is not None:
        options["base"] = _level(options["base"], levels, "contr.SAS", by_place=True)
    return getattr(registry, name)(*arguments, **options)


_GLANCE = 4096


def observed_levels(codes: np.ndarray, levels: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """The levels that occur, in declared order; at least two, or a `DataError`."""
    present = np.zeros(len(levels) + 1, dtype=bool)
    present[codes[:_GLANCE]] = True  # as a rule a few rows show every level
    if not present[:-1].all():
        present[codes] = True
    kept = levels if present[:-1].all() else tuple(v for v, there in zip(levels, present[:-1], strict=True) if there)
    if len(kept) < 2:
        only = f"only the level {kept[0]!r}" if kept else "no level"
        raise DataError(f"the categorical variable '{name}' has {only} in the rows used; remove it from the formula.")
    return kept


def recode(codes: np.ndarray, levels: tuple[Any, ...], kept: tuple[Any, ...]) -> np.ndarray:
    """Codes against `kept` levels; -1 for missing and -2 for levels that are not among them."""
    if levels == kept:
        return codes
    position = {level: i for i, level in enumerate(kept)}
    table = np.array([*(position.get(level, -2) for level in levels), -1], dtype=np.int32)
    return table[codes]
