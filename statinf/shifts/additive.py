"""Additive regression by penalised least squares on the source, for targets whose blocks of covariates shift unlike.

Simchowitz, Ajay, Agrawal and Krishnamurthy (2023, ICML, arXiv 2302.13934): with E[z | x, y] = f(x) + g(y) in both populations,
least squares over a small class for f and a rich one for g has an error on the target in which the shift of x multiplies the size
of the small class and only the shift of y that of the rich one. Variables that are expected to shift belong into f; no weights are
needed. Here f is linear in its columns without a penalty, and g is made of penalised splines and of ridge-penalised columns. The
estimand is the additive mean, and its coefficients in f.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError

from statinf.errors import DataError, NotIdentifiedError, NumericalWarning, issue_warning
from statinf.formula.design import Design
from statinf.formula.smooths import SmoothTerm
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.smoothing.penalised import Penalised, RotatedRows, choose_penalties, solve
from statinf.results import Estimate, Method, Options, choice, number
from statinf.shifts.additive_moments import AdditiveSolution, Columns, simple_moments

_CONCURVITY = 1e-5
"""Share of a column's length that must be left beside the unpenalised others: a condition of 1e10 in squares."""


@dataclass(frozen=True, kw_only=True)
class AdditiveOptions(Options):
    """Options of the penalised fit."""

    penalty: float | None = number(
        None, "of every term of the flexible block, relative to its columns; None: each chosen by criterion",
        low=0.0, also=(None,),
    )  # fmt: skip
    criterion: str = choice(
        "gcv",
        ("gcv", "reml"),
        "of the penalties: generalised cross-validation, or restricted likelihood, which varies less",
    )


def estimate(made: Design, options: AdditiveOptions) -> Estimate:
    """Least squares of the outcome on both blocks."""
    smooths = made.recipe.smooth_terms("flexible")
    columns = _columns(made, smooths)
    nobs = int(np.count_nonzero(made.weights))
    q = len(columns.names) - columns.flexible + 1
    if nobs < q + 3:
        raise DataError(
            f"{nobs} rows for {q} coefficients of the simple block and a flexible one; there must be {q + 3} at least."
        )
    y = made.y if made.offset is None else made.y - made.offset
    mean = _mean(y, made.weights)
    triangle = triangular_factor(columns.values, made.weights, (y - mean)[:, None])
    reduced = RotatedRows.of(triangle, float(made.weights.sum()), nobs)
    blocks = _blocks(made, columns, smooths, reduced)
    _check_apart(columns, reduced, np.sum([*blocks.values(), np.zeros(len(columns.names))], axis=0))
    fit, penalties, ridge = _fitted(reduced, blocks, options)
    residual = (y - mean) - columns.values @ fit.coef
    df = nobs - 1.0 - float(fit.edf.sum())
    solved = AdditiveSolution(columns, fit, ridge, residual, made.weights, fit.rss / df if df > 0 else np.nan, df, nobs)
    return _estimate(made, solved, mean, penalties, smooths)


def _fitted(
    reduced: RotatedRows, blocks: dict[str, np.ndarray], options: AdditiveOptions
) -> tuple[Penalised, np.ndarray, np.ndarray]:
    """The fit, the penalty of each block, and the ridge of each column."""
    penalties = np.full(len(blocks), 0.0 if options.penalty is None else options.penalty)
    try:
        if options.penalty is None:
            penalties = choose_penalties(reduced, list(blocks.values()), options.criterion)
    except LinAlgError:
        raise NotIdentifiedError("the flexible terms are collinear with one another; leave some of them out.") from None
    ridge = np.sum([lam * b for lam, b in zip(penalties, blocks.values(), strict=True)], axis=0)
    # A column that does not vary has no effect, whatever the penalty.
    ridge = ridge + (np.einsum("ij,ij->j", reduced.factor, reduced.factor) == 0.0)
    fit = solve(reduced, ridge)
    size = np.abs(np.diag(fit.factor))
    if not np.isfinite(fit.coef).all() or size.min() < 1e-12 * size.max():
        raise NotIdentifiedError(
            "the flexible terms are collinear and the penalty does not tell them apart; give a larger penalty=, or leave some "
            "out."
        )
    return fit, penalties, ridge


def _mean(values: np.ndarray, w: np.ndarray) -> Any:
    first = values[np.argmax(w > 0)]
    return first + w @ (values - first) / w.sum()


def _columns(made: Design, smooths: tuple[SmoothTerm, ...]) -> Columns:
    flexible, simple = made.parts[1].without_intercept(), made.parts[0].without_intercept()
    values = np.column_stack([flexible.values, simple.values])
    centre = _mean(values, made.weights)
    values = values - centre
    scale = np.sqrt(made.weights @ values**2 / made.weights.sum())
    near = 1e-12 * np.abs(centre)
    flat = [n for n, s, c in zip((*flexible.names, *simple.names), scale, near, strict=True) if s <= c]
    lost = [name for name in flat if name in simple.names]
    if lost:
        raise NotIdentifiedError(f"'{lost[0]}' of the simple block does not vary over the source; leave it out.")
    if flat:
        issue_warning(f"flexible columns that do not vary are left out: {', '.join(flat[:5])}.", NumericalWarning)
        values[:, scale <= near] = 0.0
    scale = np.where(scale <= near, 1.0, scale)
    # Splines keep their units, in which the penalty is the identity.
    shift = int(made.parts[1].intercept)
    for term in smooths:
        scale[term.columns.start - shift : term.columns.stop - shift] = 1.0
    return Columns(values / scale, centre, scale, len(flexible.names), (*flexible.names, *simple.names))


def _blocks(
    made: Design, columns: Columns, smooths: tuple[SmoothTerm, ...], reduced: RotatedRows
) -> dict[str, np.ndarray]:
    """What a penalty of one adds to the ridge of each column, by term: the mean variance of the penalised columns."""
    variance = np.einsum("ij,ij->j", reduced.factor, reduced.factor) / reduced.total
    matrix, found = made.parts[1].without_intercept(), {}
    splines = {term.label for term in smooths}
    for label, at in matrix.terms.items():
        marks = np.zeros(len(columns.names))
        marks[at.start + (label in splines) : at.stop] = 1.0
        # A term that does not vary has no effect under any penalty.
        found[label] = marks * (float(np.mean(variance[marks > 0.0])) or 1.0)
    return found


def _check_apart(columns: Columns, reduced: RotatedRows, ridge: np.ndarray) -> None:
    """Refuse columns without a penalty that the others determine."""
    free = np.flatnonzero((ridge == 0.0) & reduced.factor.any(axis=0))
    lengths = np.linalg.norm(reduced.factor[:, free], axis=0)
    left = np.abs(np.diag(np.linalg.qr(reduced.factor[:, free] / lengths, mode="r")))
    for j, share in zip(free, left, strict=True):
        if share < _CONCURVITY:
            name = columns.names[j]
            where = (
                "simple block is explained by the others and by" if j >= columns.flexible else "flexible block repeats"
            )
            raise NotIdentifiedError(
                f"'{name}' of the {where} the straight lines of the flexible terms: its effect cannot be told from theirs. Leave "
                "it out."
            )


def _estimate(
    made: Design, solved: AdditiveSolution, mean: float, penalties: np.ndarray, smooths: tuple[SmoothTerm, ...]
) -> Estimate:
    columns, fit = solved.columns, solved.fit
    k, matrix = columns.flexible, made.parts[1].without_intercept()
    raw = fit.coef / columns.scale
    theta = np.concatenate([[mean - columns.centre[k:] @ raw[k:]], raw[k:]])
    edf = {label: float(fit.edf[at].sum()) for label, at in matrix.terms.items()}
    return Estimate(
        terms=made.parts[0].names,
        theta=theta,
        moments=partial(simple_moments, made, solved),
        nobs=solved.nobs,
        df_resid=solved.df_resid,
        extra={
            "flexible": raw[:k],
            "centre": columns.centre,
            "scale": columns.scale,
            "penalties": dict(zip(matrix.terms, penalties.tolist(), strict=True)),
            "edf": edf,
            "gcv": fit.gcv,
            "dispersion": solved.dispersion,
            "splines": tuple(term.label for term in smooths),
            "solved": solved,
        },
    )


METHOD = Method(
    verb="heterogeneous_shift",
    name="",
    estimate=estimate,
    options=AdditiveOptions,
    summary="additive least squares with a simple block and a penalised flexible one, fitted on the source alone",
    citation="Simchowitz, Ajay, Agrawal and Krishnamurthy (2023)",
    arxiv="2302.13934",
    guarantee="a shift of the simple block's variables costs what the simple class costs; normal errors of its coefficients",
    vignette="heterogeneous-shift",
)
