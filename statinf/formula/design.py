"""Formula and data → `Design`: named roles, float64 arrays, and the recipe for new rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, one_of
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.frame import Categorical, Frame, as_frame
from statinf.formula.matrix import Matrix, fill, lay_out
from statinf.formula.parse import FormulaText, PartText, parse
from statinf.formula.recipe import PartRecipe, Recipe, _sum_offsets, check_no_rows, warn_rows
from statinf.formula.rows import Store, take, usable_rows


@dataclass(frozen=True)
class Design:
    """What a formula makes of a data frame; behind it there are only arrays.

    Attributes
    ----------
    response : ndarray, shape (n,) or (n, m), or None
        The outcome, or several for methods that take them.
    response_names : tuple of str
    parts : tuple of Matrix
        The parts on the right of `~`, in order.
    roles : tuple of str
        Name of each part.
    weights : ndarray, shape (n,)
        Row weights; ones if none were given.
    weights_object : object or None
        The `Weights` given, whose estimating function the standard errors take into account.
    offset : ndarray, shape (n,), or None
    clusters : mapping of str to ndarray of int, shape (n,)
        Codes from 0 without gaps.
    rows : ndarray of int, shape (n,)
        Row numbers, from 0, in the caller's frame.
    n_total : int
        Rows of the caller's frame.
    dropped : mapping of str to int
        Rows lost to each cause.
    recipe : Recipe
    frame : Frame
        The caller's frame, by reference.
    """

    response: np.ndarray | None
    response_names: tuple[str, ...]
    parts: tuple[Matrix, ...]
    roles: tuple[str, ...]
    weights: np.ndarray
    weights_object: Any
    offset: np.ndarray | None
    clusters: Mapping[str, np.ndarray]
    rows: np.ndarray
    n_total: int
    dropped: Mapping[str, int]
    recipe: Recipe
    frame: Frame

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def kind(self) -> str:
        return self.frame.kind

    @property
    def y(self) -> np.ndarray:
        """The single outcome, shape (n,)."""
        assert self.response is not None
        return self.response

    def part(self, role: str) -> Matrix | None:
        """The part of that role; None where the formula has fewer parts."""
        return dict(zip(self.roles, self.parts, strict=False)).get(role)

    def column(self, name: str) -> np.ndarray:
        """Values of any column of the caller's frame on the rows used: floats, or objects for categories."""
        column = self.frame.column(name)
        if isinstance(column, Categorical):
            labels = np.array([*column.levels, None], dtype=object)
            return labels[column.codes[self.rows]]
        return column.values[self.rows]

    def cluster_codes(self, name: str) -> np.ndarray:
        """Codes from 0 of a clustering column on the rows used."""
        if name in self.clusters:
            return self.clusters[name]
        found = self.frame.categories(name)
        codes = found.codes[self.rows]
        if (codes < 0).any():
            raise DataError(
                f"the cluster column '{name}' is missing in {int((codes < 0).sum())} rows used by the fit; "
                f"give cluster={name!r} at the fit, so that these rows are left out."
            )
        return np.unique(codes, return_inverse=True)[1]


def design(
    formula: str,
    data: Any,
    *,
    roles: Sequence[str] = ("covariates",),
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    response: str = "numeric",
) -> Design:
    """Read a formula against data.

    Parameters
    ----------
    formula : str
        `outcome ~ part | part`.
    data : table
        Anything narwhals reads (pandas, polars, pyarrow, duckdb), a dict of arrays, or the path of a
        parquet or csv file. Only the columns that the formula uses are converted.
    roles : sequence of str
        Names of the parts that the method takes; trailing ones may be absent.
    weights : array of shape (rows,), str or Weights, optional
        Row weights: one a row of the data, a column name, or a `Weights`.
    cluster : str, sequence of str, or array of shape (rows,), optional
        Clustering columns; rows where they are missing are left out.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    response : {"numeric", "matrix", "none", "any"}
        One outcome, several, none, or either.

    Returns
    -------
    Design

    Raises
    ------
    FormulaError
        If the formula cannot be read or asks for what formulas may not do.
    DataError
        If columns are missing or unusable, or no row is left.

    Examples
    --------
    >>> import statinf as si
    >>> from statinf.formula import design
    >>> d = design("mpg ~ wt + C(cyl)", si.datasets.load("mtcars"))
    >>> d.part("covariates").names
    ('Intercept', 'wt', 'C(cyl)[T.6]', 'C(cyl)[T.8]')
    """
    one_of("na_action", na_action, ("drop", "raise"))
    one_of("response", response, ("numeric", "matrix", "none", "any"))
    frame = as_frame(data, None if not isinstance(formula, str) else _Mentioned(formula, weights, cluster))
    text = parse(formula, [c for c in frame.names if isinstance(c, str)])
    _check_sides(text, roles, response)
    scope = ex.Scope(frozenset(frame.names), text.quoted, dict(context or {}))
    outcome = [_outcome_factor(t, scope, frame) for t in text.response]
    parts, factors, offsets = _read_parts(text.parts, scope, frame)
    every = [*outcome, *factors.values(), *offsets]
    store = Store.of(frame, scope)
    given, strikes = _weights_of(weights, frame)
    groups = _clusters_of(cluster, frame)
    strikes |= {f"cluster {name} is missing": codes < 0 for name, codes in groups.items()}
    used = usable_rows(store, every, None, strikes)
    index = _after_na_action(used, na_action, frame.n)
    n = frame.n if index is None else len(index)
    check_no_rows(n, frame.n, used.causes)
    learnt, values = _learn_all([*factors.values(), *offsets], store, index, n)
    layouts = [lay_out(part.intercept, terms, factors, learnt) for part, terms in zip(text.parts, parts, strict=True)]
    matrices = tuple(fill(layout, values, learnt, n) for layout in layouts)
    made_outcome, outcome_learnt = _outcomes(outcome, store, index, n)
    recipe = Recipe(
        formula=text.text,
        parts=tuple(
            PartRecipe(role, layout, tuple(dict.fromkeys(f for _, fs, _ in terms for f in fs)))
            for role, layout, terms in zip(roles, layouts, parts, strict=False)
        ),
        response=tuple(f.label for f in outcome),
        offset=tuple(f.label for f in offsets),
        factors=factors | {f.label: f for f in (*outcome, *offsets)},
        learnt={**outcome_learnt, **learnt},
        quoted=text.quoted,
        context=dict(context or {}),
    )
    return Design(
        response=made_outcome,
        response_names=tuple(f.label for f in outcome),
        parts=matrices,
        roles=tuple(roles)[: len(matrices)],
        weights=_positive(take(given, index) if given is not None else np.ones(n)),
        weights_object=weights if hasattr(weights, "used") else None,
        offset=_sum_offsets([values[f.label][:, 0] for f in offsets]),
        clusters={k: np.unique(take(v, index), return_inverse=True)[1] for k, v in groups.items()},
        rows=np.arange(n) if index is None else index,
        n_total=frame.n,
        dropped=used.causes,
        recipe=recipe,
        frame=frame,
    )


class _Mentioned(Sequence[str]):
    """The columns that a formula's text may mention: a superset, known before the text is parsed."""

    def __init__(self, text: str, weights: Any, cluster: Any) -> None:
        clusters = [cluster] if isinstance(cluster, str) else cluster
        names = [weights, *(clusters if isinstance(clusters, list | tuple) else [])]
        self._names = {n for n in names if isinstance(n, str)}
        self._text = text
        self._all = any(
            p.strip() == "." for side in text.split("~") for bar in side.split("|") for p in bar.replace("-", "+").split("+")
        )

    def __contains__(self, name: object) -> bool:
        return self._all or name in self._names or str(name) in self._text

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, item: Any) -> Any:
        return sorted(self._names)[item]


def _check_sides(text: FormulaText, roles: Sequence[str], response: str) -> None:
    if len(text.parts) > len(roles):
        raise FormulaError(
            f"the formula has {len(text.parts)} parts after '~', this method takes {len(roles)}: {' | '.join(roles)}."
        )
    if response == "none" and text.response:
        raise FormulaError(f"this method takes a formula without an outcome: '~ {text.text.split('~', 1)[1].strip()}'.")
    if response in ("numeric", "matrix") and not text.response:
        raise FormulaError("the formula has no outcome on the left of '~'; write 'outcome ~ covariates'.")
    if response == "numeric" and len(text.response) > 1:
        raise FormulaError(f"the formula has {len(text.response)} outcomes, this method takes one.")


def _outcome_factor(text: str, scope: ex.Scope, frame: Frame) -> fa.Factor:
    factor = fa.make_factor(text, scope, frame, intercept=False)
    if factor.kind == "categorical":
        column = factor.columns[0]
        levels = frame.categories(column).levels
        last = levels[-1] if levels else "level"
        raise DataError(
            f"the outcome '{factor.label}' holds categories {list(levels)[:6]}; this method needs numbers: "
            f"write I({column} == {last!r}) for a 0/1 outcome."
        )
    if factor.kind == "transform" and ex.call_name(factor.node) not in ("scale", "center", "standardize"):
        raise FormulaError(f"the outcome '{factor.label}' has several columns.")
    return factor


def _read_parts(
    parts: Sequence[PartText], scope: ex.Scope, frame: Frame
) -> tuple[list[list[tuple[str, tuple[str, ...], float]]], dict[str, fa.Factor], list[fa.Factor]]:
    """Terms of each part by factor labels, the factors, and the offsets taken out of the first part."""
    factors: dict[str, fa.Factor] = {}
    offsets: dict[str, fa.Factor] = {}
    out = []
    for number, part in enumerate(parts):
        terms = []
        for term in part.terms:
            inner = _offset_argument(term.factors)
            if inner is not None:
                if number:
                    raise FormulaError("offset() belongs in the first part of the formula.")
                made = fa.make_factor(inner, scope, frame, intercept=True)
                if made.kind == "categorical":
                    raise FormulaError(f"offset({made.label}) holds categories; an offset is a number.")
                label = f"offset({made.label})"
                offsets[label] = fa.Factor(label, made.node, made.kind, made.columns)
                continue
            made_factors = [fa.make_factor(f, scope, frame, part.intercept) for f in term.factors]
            for made in made_factors:
                factors.setdefault(made.label, made)
            labels = tuple(dict.fromkeys(m.label for m in made_factors))
            name = ":".join(labels)
            terms.append((f"{term.scale:g}:{name}" if term.scale != 1.0 else name, labels, term.scale))
        out.append(terms)
    return out, factors, list(offsets.values())


def _offset_argument(factors: tuple[str, ...]) -> str | None:
    for text in factors:
        stripped = text.strip()
        if stripped.startswith("offset(") and stripped.endswith(")"):
            if len(factors) > 1:
                raise FormulaError("offset() cannot take part in an interaction.")
            return stripped[len("offset(") : -1]
    return None


def _weights_of(weights: Any, frame: Frame) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    if weights is None:
        return None, {}
    if hasattr(weights, "used") and hasattr(weights, "values"):
        if weights.n_total != frame.n:
            raise DataError(
                f"the weights were made on a frame of {weights.n_total} rows, the data have {frame.n}; "
                "make them on the same frame, so that rows match."
            )
        full = np.full(frame.n, np.nan)
        full[weights.used] = weights.values
        return full, {"no weight for the row": np.isnan(full)}
    if isinstance(weights, str):
        values = fa.numeric_column(frame, weights)
        name = f"weights '{weights}'"
    else:
        values = np.asarray(weights, dtype=np.float64)
        name = "weights"
        if values.shape != (frame.n,):
            raise DataError(f"weights has shape {values.shape}; give one weight a row of the data, shape ({frame.n},).")
    if (values < 0).any():
        raise DataError(f"{name}: {int((values < 0).sum())} are negative (first at row {int(np.argmax(values < 0))}).")
    if np.isinf(values).any():
        raise DataError(f"{name}: {int(np.isinf(values).sum())} are infinite.")
    return values, {f"{name} is missing": np.isnan(values)}


def _positive(weights: np.ndarray) -> np.ndarray:
    if not (weights > 0).any() and not (weights < 0).any():
        raise DataError("all weights are zero on the rows used; at least some must be positive.")
    return weights


def _clusters_of(cluster: Any, frame: Frame) -> dict[str, np.ndarray]:
    if cluster is None:
        return {}
    if isinstance(cluster, str):
        cluster = [cluster]
    if isinstance(cluster, list | tuple) and all(isinstance(c, str) for c in cluster) and len(cluster) != frame.n:
        return {name: frame.categories(name).codes for name in cluster}
    import pandas as pd

    values = np.asarray(cluster)
    if values.shape != (frame.n,):
        raise DataError(f"cluster has shape {values.shape}; give a column name, or one value a row, shape ({frame.n},).")
    return {"cluster": np.asarray(pd.factorize(values)[0], np.int64)}


def _after_na_action(used: Any, na_action: str, n: int) -> np.ndarray | None:
    if used.causes and na_action == "raise":
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in used.causes.items())
        first = int(np.argmin(used.ok))
        raise DataError(f"na_action='raise' and rows cannot be used (first: {first}): {listed}.")
    made = {c: k for c, k in used.causes.items() if c.endswith("is not finite")}
    if made:
        warn_rows(made, n, "are dropped")
    return used.index


def _learn_all(
    factors: Sequence[fa.Factor], store: Store, index: np.ndarray | None, n: int
) -> tuple[dict[str, fa.Learnt], dict[str, Any]]:
    learnt: dict[str, fa.Learnt] = {}
    values: dict[str, Any] = {}
    for factor in factors:
        found = None
        if factor.kind == "categorical":
            whole = fa.categories(factor, store.values(), store.categories)
            found = take(whole, index)
        ready = store.computed.get(ast.unparse(factor.node)) if factor.kind == "numeric" else None
        if ready is not None and ready.ndim == 1:
            learnt[factor.label], values[factor.label] = fa.Learnt({}), take(ready, index).reshape(n, 1)
            continue
        own = _own_rows(factor, store) if index is not None and factor.kind != "categorical" else None
        if own is None:
            learnt[factor.label], values[factor.label] = fa.learn(factor, found, store.values(index), n)
        else:
            learnt[factor.label], _ = fa.learn(factor, None, store.values(own), len(own))
            values[factor.label] = fa.apply(factor, learnt[factor.label], store.values(index), n)
    return learnt, values


def _own_rows(factor: fa.Factor, store: Store) -> np.ndarray | None:
    """Rows that a transform learns from: as in R all on which its own columns are complete, used or not."""
    if not fa.stateful_calls(factor.node, store.scope):
        return None
    return np.flatnonzero(usable_rows(store, [factor]).ok)


def _outcomes(
    factors: Sequence[fa.Factor], store: Store, index: np.ndarray | None, n: int
) -> tuple[np.ndarray | None, dict[str, fa.Learnt]]:
    if not factors:
        return None, {}
    learnt, values = _learn_all(factors, store, index, n)
    made = [values[f.label][:, 0] for f in factors]
    return (np.ascontiguousarray(made[0]) if len(made) == 1 else np.column_stack(made)), learnt
