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
    contrast : ndarray, shape (levels, columns)
        Reduced-rank coding, for a factor whose margin is in the model.
    suffixes : tuple of str
        What follows the factor's name for each column of `contrast`.
    """

    levels: tuple[Any, ...]
    contrast: np.ndarray
    suffixes: tuple[str, ...]

    def columns(self, reduced: bool) -> tuple[np.ndarray, tuple[str, ...]]:
        """Coding matrix and name suffixes, reduced by the margin or one dummy a level."""
        if reduced:
            return self.contrast, self.suffixes
        return np.eye(len(self.levels)), tuple(f"[{level}]" for level in self.levels)


def coding_for(levels: tuple[Any, ...], contrast: ast.AST | None, name: str) -> Coding:
    """The coding of observed levels under a contrast as written in `C(g, contrast)`; treatment by default.

    Raises
    ------
    FormulaError
        If the contrast is not known or does not fit the levels.
    """
    from formulaic.transforms.contrasts import Contrasts, ContrastsRegistry, CustomContrasts

    if contrast is None:
        return Coding(levels, np.eye(len(levels))[:, 1:], tuple(f"[T.{level}]" for level in levels[1:]))
    try:
        made = _contrast_object(contrast, ContrastsRegistry, CustomContrasts)
        assert isinstance(made, Contrasts)
        matrix = np.asarray(made.get_coding_matrix(list(levels), reduced_rank=True), dtype=np.float64)
        fields = list(made.get_coding_column_names(list(levels), reduced_rank=True))
        form = made.get_factor_format(list(levels), reduced_rank=True)
    except (ValueError, TypeError, AttributeError, KeyError, AssertionError) as error:
        raise FormulaError(
            f"C({name}): the contrast '{ast.unparse(contrast)}' does not fit the levels {list(levels)[:12]}: {error}"
        ) from None
    return Coding(levels, matrix, tuple(form.format(name="", field=f) for f in fields))


_PATSY_NAMES = {"Treatment": "treatment", "Sum": "sum", "Helmert": "helmert", "Poly": "poly", "Diff": "diff"}


def _contrast_object(node: ast.AST, registry: Any, custom: Any) -> Any:
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
        options["base"] = arguments.pop(0)
    return getattr(registry, name)(*arguments, **options)


def observed_levels(codes: np.ndarray, levels: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """The levels that occur, in declared order; at least two, or a `DataError`."""
    present = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
    kept = tuple(level for level, there in zip(levels, present, strict=True) if there)
    if len(kept) < 2:
        only = f"only the level {kept[0]!r}" if kept else "no level"
        raise DataError(f"the categorical variable '{name}' has {only} in the rows used; remove it from the formula.")
    return kept


def recode(codes: np.ndarray, levels: tuple[Any, ...], kept: tuple[Any, ...]) -> np.ndarray:
    """Codes against `kept` levels; -1 for missing and -2 for levels that are not among them."""
    if levels == kept:
        return codes
    position = {level: i for i, level in enumerate(kept)}
    table = np.array([position.get(level, -2) for level in levels] + [-1], dtype=np.int64)
    return table[codes]
