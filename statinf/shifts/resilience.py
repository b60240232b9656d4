"""How far each block of an additive regression shifts, and what that costs its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.formula.columns import Numeric
from statinf.formula.design import Design
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.results import Options
from statinf.shifts import logistic
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import Samples
from statinf.shifts.target import TargetRows

if TYPE_CHECKING:
    from statinf.shifts.additive_moments import AdditiveSolution

BLOCKS = {"simple": "covariates", "flexible": "flexible"}


def outside(made: Design, target: TargetRows) -> dict[str, float]:
    """Share of the target's weight beyond the source's range of each spline, by term."""
    w, found = target.weights / target.weights.sum(), {}
    for term in made.recipe.smooth_terms("flexible"):
        share = target.parts["flexible"][:, term.columns.start]
        found[term.label] = float(w @ ((share < 0.0) | (share > 1.0)))
    return found


def block_errors(solved: AdditiveSolution, rows: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Expected squared error of the means of rows (m, p), which weigh w, from the simple block and from the flexible one.

    Simple columns count by what the flexible ones leave of them, so that the two parts are independent and sum to the whole.
    """
    k = solved.columns.flexible
    turned = rows @ solved.inverse
    parts = [1.0 / solved.total + w @ (turned[:, k:] ** 2).sum(axis=1) / w.sum()]
    parts.append(w @ (turned[:, :k] ** 2).sum(axis=1) / w.sum())
    return solved.dispersion * np.array(parts)


def resilience(made: Design, target: TargetRows, solved: AdditiveSolution) -> Any:
    """See `HeterogeneousShiftFit.resilience`."""
    import pandas as pd

    columns = solved.columns
    flexible, simple = (
        target.parts[r][:, int(made.parts[i].intercept) :] for i, r in ((1, "flexible"), (0, "covariates"))
    )
    at_target = block_errors(solved, columns.of(flexible, simple), target.weights)
    at_source = block_errors(solved, columns.values, solved.weights)
    rows = []
    for j, (name, role) in enumerate(BLOCKS.items()):
        shift = _shift(made, target, role)
        p = columns.flexible if j else len(columns.names) - columns.flexible + 1
        edf = float(solved.fit.edf[: columns.flexible].sum()) if j else float(p)
        error = {"source_error": at_source[j], "target_error": at_target[j]}
        error |= {"growth": at_target[j] / at_source[j], "share": at_target[j] / at_target.sum()}
        rows.append({"block": name, "columns": p, "edf": edf, **shift, **error})
    return pd.DataFrame(rows)


def _shift(made: Design, target: TargetRows, role: str) -> dict[str, float]:
    """Density ratio of the block's variables at the source rows, by a logit with squares."""
    samples = _samples(made, target, role)
    if samples is None:
        w = made.weights
        return {"max_ratio": 1.0, "q99_ratio": 1.0, "chi2": 0.0, "ess": float(w.sum() ** 2 / (w @ w))}
    try:
        ratio = logistic.estimate(samples, Options()).ratio
    except NotIdentifiedError:
        # Variables that tell the samples apart: no source row stands for the target.
        return {"max_ratio": np.inf, "q99_ratio": np.inf, "chi2": np.inf, "ess": 0.0}
    except (ConvergenceError, DataError):
        return dict.fromkeys(("max_ratio", "q99_ratio", "chi2", "ess"), np.nan)
    w = samples.ws / samples.ws.sum()
    ratio = ratio / (w @ ratio)
    second = float(w @ ratio**2)
    high = float(weighted_quantile(ratio, 0.99, w, kind="linear"))
    ess = float((w @ ratio) ** 2 / np.sum((w * ratio) ** 2))
    return {
        "max_ratio": float(ratio.max()), "q99_ratio": high, "chi2": second - 1.0, "ess": ess,
    }  # fmt: skip


def _samples(made: Design, target: TargetRows, role: str) -> Samples | None:
    """Both samples in the variables of a block."""
    part = next(p for p in made.recipe.parts if p.role == role)
    names = dict.fromkeys(c for f in part.factors for c in made.recipe.factors[f].columns)
    terms = []
    for name in names:
        column, quoted = made.frame.column(name), f"`{name}`"
        if isinstance(column, Numeric):
            terms.append(quoted)
            values = column.values[made.rows]
            if len(np.unique(values[:1000])) > 2:
                terms.append(f"I({quoted}**2)")
        else:
            terms.append(f"C({quoted})")
    if not terms:
        return None
    given, other = np.zeros(made.n_total), np.zeros(target.n_total)
    given[made.rows], other[target.rows] = made.weights, target.weights
    return read_samples(f"~ {' + '.join(terms)}", made.frame.native, target.frame, weights=given, target_weights=other)
