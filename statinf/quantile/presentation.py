"""Tables and predictions of a `QuantileFit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError, check_level, one_of
from statinf.inference.distributions import t_quantile
from statinf.models import regression as common
from statinf.models.lm import prediction_rows
from statinf.numerics.order.monotone import KINDS as MONOTONE
from statinf.numerics.order.monotone import monotone
from statinf.quantile.scores import QuantileScores, score_quantiles
from statinf.results import Table, to_caller
from statinf.results.table import format_number, format_p

if TYPE_CHECKING:
    import pandas as pd

    from statinf.formula.matrix import Matrix
    from statinf.formula.recipe import NewRows
    from statinf.quantile.fit import QuantileFit


def coefficient_frame(fit: QuantileFit, level: float, style: str, interval: str | None) -> pd.DataFrame:
    """One row a level and coefficient; see `QuantileFit.tidy`."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "tau": np.repeat(fit.tau, len(fit.columns)),
            "term": list(fit.columns) * len(fit.tau),
            **fit._numbers(level, interval),
        }
    )
    if one_of("style", style, ("statinf", "broom")) == "broom":
        frame.columns = [c.replace("_", ".") for c in frame.columns]
    return frame


def summary_table(fit: QuantileFit, level: float) -> Table:
    """See `QuantileFit.summary`."""
    letter = "z" if np.isinf(fit.cov.df) else "t"
    many = len(fit.tau) > 1
    lead = ("tau",) if many else ()
    columns = (*lead, "term", "estimate", "std. error", letter, "p", f"{100 * level:g}% interval")
    facts = {"Observations": fit.nobs, "Residual df": int(fit.df_resid)}
    if not many:
        facts |= {"Check loss": float(fit.objective[0]), "Pseudo R1": float(fit.pseudo_r_squared[0])}
    listed = (("Formula", fit.formula), *((k, format_number(v)) for k, v in facts.items()))
    rows = _summary_rows(fit, level)
    rules = tuple(range(len(fit.columns), len(rows), len(fit.columns))) if many else ()
    return Table(columns, rows, title=fit.title, facts=listed, notes=fit._notes(), rules=rules)


def _summary_rows(fit: QuantileFit, level: float) -> tuple[tuple[str, ...], ...]:
    numbers, p = fit._numbers(level), len(fit.columns)
    rows = []
    for i, name in enumerate(fit.columns * len(fit.tau)):
        lead = (f"{fit.tau[i // p]:g}" if i % p == 0 else "", name) if len(fit.tau) > 1 else (name,)
        if not fit.estimable[i]:
            rows.append((*lead, "aliased", "", "", "", ""))
            continue
        values = (format_number(numbers[c][i]) for c in ("estimate", "std_error", "statistic"))
        limits = f"[{format_number(numbers['conf_low'][i])}, {format_number(numbers['conf_high'][i])}]"
        rows.append((*lead, *values, format_p(numbers["p_value"][i]), limits))
    return tuple(rows)


def _fitted(fit: QuantileFit, rows: NewRows, noncrossing: str | None) -> np.ndarray:
    """Predicted quantiles (n, k)."""
    values = np.column_stack([common.predictor(rows.parts["covariates"], b, rows.offset) for b in fit.coef])
    return values if noncrossing is None else monotone(values, one_of("noncrossing", noncrossing, MONOTONE))


def _errors(fit: QuantileFit, matrix: Matrix) -> np.ndarray:
    """Standard errors of the predicted quantiles (n, k), from the columns that the fit was computed on."""
    kept = fit.estimable[: len(fit.columns)]
    Z = matrix.values[:, kept]
    inner = fit.cov.matrix
    if fit.at is not None and fit.inner is not None:
        Z, inner = fit.at.columns(Z), fit.inner
    p = Z.shape[1]
    blocks = [inner[k * p : (k + 1) * p, k * p : (k + 1) * p] for k in range(len(fit.tau))]
    variance = np.stack([np.einsum("ij,ij->i", Z @ block, Z) for block in blocks], axis=1)
    # A variance that rounding made negative is zero; NaN rows stay NaN.
    return np.sqrt(np.where(variance < 0, 0.0, variance))


def predictions(fit: QuantileFit, newdata: Any, interval: str | None, level: float, noncrossing: str | None) -> Any:
    """See `QuantileFit.predict`."""
    import pandas as pd

    if interval is not None:
        one_of("interval", interval, ("confidence",))
    check_level(level)
    rows = prediction_rows(fit, newdata)
    names = [f"q{t:g}" for t in fit.tau]
    out = dict(zip(names, _fitted(fit, rows, noncrossing).T, strict=True))
    if interval is not None:
        errors = _errors(fit, rows.parts["covariates"])
        for k, name in enumerate(names):
            se = errors[:, k]
            half = t_quantile(0.5 + level / 2, fit.cov.df) * se
            out |= {f"{name}_lower": out[name] - half, f"{name}_upper": out[name] + half}
    return to_caller(pd.DataFrame(out), rows.kind, rows.index)


def augmented(fit: QuantileFit) -> Any:
    """See `QuantileFit.augment`."""
    made = fit._need_rows("fitted values")
    columns = {}
    for t, b in zip(fit.tau, fit.coef, strict=True):
        ending = f"_q{t:g}" if len(fit.tau) > 1 else ""
        fitted = common.predictor(made.parts[0], b, made.offset)
        columns |= {f"fitted{ending}": fitted, f"residual{ending}": made.y - fitted}
    return common.augmented(made, columns)


def scores(fit: QuantileFit, newdata: Any, noncrossing: str | None) -> QuantileScores:
    """See `QuantileFit.score`."""
    newdata = fit._need_rows("scores without newdata").frame if newdata is None else newdata
    if fit.recipe is None:
        raise DataError("this fit was made from arrays; it cannot be scored on a data frame.")
    rows = fit.recipe.new_rows(newdata, response=True)
    assert rows.response is not None
    return score_quantiles(rows.response, _fitted(fit, rows, noncrossing), fit.tau, kind=rows.kind)
