"""Standard errors of a `QuantileFit`, by the name of the covariance asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, NotIdentifiedError, NumericalWarning, OptionError
from statinf.formula.design import Design
from statinf.inference import bootstrap as engine
from statinf.inference.bands import sup_t_critical
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest, wald
from statinf.inference.sandwich import Covariance, covariance
from statinf.quantile import replicas as draws
from statinf.quantile.covariance import joint_covariance
from statinf.quantile.rank_inversion import rank_intervals

if TYPE_CHECKING:
    import pandas as pd

    from statinf.quantile.fit import QuantileFit

NAMES = ("iid", "nid", "ker", "rank", "rank-iid", "boot", "fixed")
BOOTSTRAPS = ("pairs", "bayesian", "multiplier", "wild", "pwy")
_MANY_RANK_ROWS = 5000


@dataclass(frozen=True)
class Rows:
    """Rows of positive weight and columns that are not aliased.

    X : (n, p); y : (n,) outcome less offset; w : (n,); coef : (k, p); used : (n,) positions among the design's rows.
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    coef: np.ndarray
    used: np.ndarray

    @property
    def Xw(self) -> np.ndarray:
        return self.X * self.w[:, None]

    @property
    def yw(self) -> np.ndarray:
        return self.y * self.w


def rows_of(made: Design, coef: np.ndarray) -> Rows:
    """The arrays of a fit from its design."""
    kept = ~np.isnan(coef[0])
    used = np.flatnonzero(made.weights > 0)
    y = made.y if made.offset is None else made.y - made.offset
    X = made.parts[0].values
    whole = len(used) == len(y)
    X = X if kept.all() else X[:, kept]
    return Rows(np.ascontiguousarray(X if whole else X[used]), y[used], made.weights[used], coef[:, kept], used)


def check_vcov(kind: Any) -> Any:
    """Return a covariance's name in normal form, or raise an `OptionError` that lists what there is."""
    if isinstance(kind, str):
        if kind == "boot":
            return {"boot": "pairs"}
        if kind.lower() in NAMES:
            return kind.lower()
        raise OptionError(
            f"vcov={kind!r} is not known for quantile regression; choose one of {', '.join(map(repr, NAMES))}, "
            "{'cluster': 'column'} or {'boot': 'pairs', 'replicas': 500}."
        )
    if isinstance(kind, Mapping) and "cluster" in kind and set(kind) <= {"cluster", "type"}:
        if kind.get("type", "HC0") not in ("HC0", "HC1"):
            raise OptionError(f"vcov type={kind['type']!r}: clustered quantile regression has HC0 and HC1.")
        return {"type": "HC0"} | dict(kind)
    if isinstance(kind, Mapping) and "boot" in kind and set(kind) <= {"boot", "replicas", "seed"}:
        if kind["boot"] not in BOOTSTRAPS:
            raise OptionError(f"boot={kind['boot']!r} is not known; choose one of {', '.join(map(repr, BOOTSTRAPS))}.")
        return dict(kind)
    raise OptionError(f"vcov={kind!r} is not known; give a name, {{'cluster': 'column'}} or {{'boot': 'pairs'}}.")


def covariance_of(fit: QuantileFit, kind: Any) -> Covariance:
    """The covariance of a fit by its checked name."""
    made = fit._need_rows("standard errors")
    rows = rows_of(made, fit.coef)
    if len(rows.y) <= rows.X.shape[1] or not (fit.objective > 1e-12 * np.abs(rows.yw).sum()).all():
        warnings.warn(
            "the rows are fitted exactly: the coefficients have no standard errors.", NumericalWarning, stacklevel=4
        )
        q = rows.coef.size
        return Covariance(np.full((q, q), np.nan), kind, "none: exact fit", fit.df_resid)
    if isinstance(kind, dict):
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        codes = {name: made.cluster_codes(name) for name in names}
        out = covariance(replace(fit, hessian_kind="uniform").moments(), kind, codes)
        return replace(out, label=f"{out.label.replace(' (HC0)', '')}, kernel density")
    name = {"rank": "nid", "rank-iid": "iid", "fixed": "nid"}.get(kind, kind)
    estimated = getattr(made.weights_object, "derivative", None) is not None
    if estimated and kind in ("nid", "ker"):
        stacked = covariance(replace(fit, hessian_kind=name).moments(), "HC0")
        return replace(stacked, kind=kind, label=f"{kind}, weights estimated", df=fit.df_resid)
    label: str = {
        "rank": "nid; limits by inversion of rank tests",
        "rank-iid": "iid; limits by inversion of rank tests",
    }.get(kind, str(name))
    model = joint_covariance(fit.tau, fit._hessians(rows, str(name)), rows.Xw.T @ rows.Xw)
    return Covariance(model, kind, label + (", weights taken as fixed" if estimated else ""), fit.df_resid)


def rank_limits(fit: QuantileFit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of all coefficients by inversion of rank tests, with Student's t as the reference."""
    made = fit._need_rows("rank intervals")
    rows = rows_of(made, fit.coef)
    if len(rows.y) > _MANY_RANK_ROWS:
        warnings.warn(
            f"rank inversion walks through of the order of the square root of n = {len(rows.y)} vertices a coefficient; "
            "vcov='nid' is close to it in large samples and immediate.",
            NumericalWarning,
            stacklevel=4,
        )
    critical = float(t_quantile(0.5 + level / 2, fit.df_resid))
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    found = np.concatenate(
        [rank_intervals(rows.Xw, rows.yw, t, critical, iid=fit.cov.kind == "rank-iid") for t in fit.tau]
    )
    low[fit.estimable], high[fit.estimable] = found.T
    return low, high


def refit_solver(fit: QuantileFit) -> Callable[[np.ndarray], np.ndarray]:
    """Coefficients of all levels from replica weights of shape (c, n); NaN where a replica has no solution."""
    rows = rows_of(fit._need_rows("bootstrap draws"), fit.coef)

    def solve(weights: np.ndarray) -> np.ndarray:
        w = weights[:, rows.used] * rows.w
        try:
            return draws.weighted_replicas(rows.X, rows.y, fit.tau, rows.coef, w).reshape(len(w), -1)
        except DataError:
            if len(w) == 1:
                return np.full((1, rows.coef.size), np.nan)
            return np.concatenate([solve(one[None]) for one in weights])

    return solve


def special_bootstrap(
    fit: QuantileFit, replicas: int, kind: str, *, seed: int = 0, cluster: Any = None, progress: bool | None = None
) -> QuantileFit:
    """The bootstraps that only quantile regression has."""
    engine.check_replicas(replicas)
    check_seed(seed)
    made = fit._need_rows("bootstrap draws")
    if getattr(made.weights_object, "derivative", None) is not None:
        raise NotIdentifiedError(
            f"kind={kind!r} takes weights as known; use kind='multiplier', which re-estimates them."
        )
    rows = rows_of(made, fit.coef)
    name = cluster or (fit.cov.kind.get("cluster") if isinstance(fit.cov.kind, dict) else None)
    rng = generator(seed, 0)
    count = 0
    if name is not None:
        if kind == "wild" or not isinstance(name, str):
            raise OptionError(
                "clusters are resampled by kind='pwy', 'pairs', 'bayesian' or 'multiplier', one column at a time."
            )
        codes = np.unique(made.cluster_codes(name)[rows.used], return_inverse=True)[1]
        count = int(codes.max()) + 1
        made_draws = draws.cluster_replicas(
            rows.Xw, rows.yw, fit.tau, rows.coef, -fit._psi(rows), codes, draws.mammen(rng.random((replicas, count)))
        )
    elif kind == "pwy":
        made_draws = draws.gradient_replicas(rows.Xw, rows.yw, fit.tau, rows.coef, rng.random((replicas, len(rows.y))))
    else:
        inverse = fit._hessians(rows, "iid")
        made_draws = draws.wild_replicas(
            rows.Xw, rows.yw, fit.tau, rows.coef, inverse, rng.random((replicas, len(rows.y)))
        )
    flat = made_draws.reshape(replicas, -1)
    result = engine.Bootstrap(flat, kind, "", seed, engine.acceleration(fit.moments().influence), clusters=count)
    return replace(fit, cov=Covariance(result.covariance, "bootstrap", result.label, fit.cov.df), draws=result)


def equal_slopes(fit: QuantileFit, columns: Any) -> WaldTest:
    """See `QuantileFit.equal_slopes`."""
    names = [c for c, ok in zip(fit.columns, fit.estimable, strict=False) if ok]
    wanted = (
        [c for c in names if c != "Intercept"]
        if columns is None
        else [columns]
        if isinstance(columns, str)
        else list(columns)
    )
    unknown = [c for c in wanted if c not in names]
    if unknown or not wanted or len(fit.tau) < 2:
        raise OptionError(f"equal slopes need at least two levels and regressors among {names}; got {columns!r}.")
    p, k = len(names), len(fit.tau)
    restrictions = np.zeros((len(wanted) * (k - 1), p * k))
    for i, name in enumerate(wanted):
        for step in range(k - 1):
            row = restrictions[i * (k - 1) + step]
            row[step * p + names.index(name)], row[(step + 1) * p + names.index(name)] = -1.0, 1.0
    text = "equal slopes at tau = " + ", ".join(f"{t:g}" for t in fit.tau)
    m = len(restrictions)
    return wald(fit.theta[fit.estimable], fit.cov.matrix, restrictions, np.zeros(m), float(fit.nobs * k - m), text)


def process(fit: QuantileFit, level: float, uniform: bool, seed: int) -> pd.DataFrame:
    """Coefficients by level with limits, in pandas; see `QuantileFit.process`."""
    import pandas as pd

    low, high = fit._limits(level, None)
    k, p = len(fit.tau), len(fit.columns)
    columns = {
        "tau": np.repeat(fit.tau, p),
        "term": list(fit.columns) * k,
        "estimate": fit.theta,
        "conf_low": low,
        "conf_high": high,
    }
    if uniform:
        critical = np.full(p, np.nan)
        position = np.cumsum(fit.estimable) - 1
        for j in range(p):
            if fit.estimable[j]:
                own = position[np.arange(k) * p + j]
                critical[j] = sup_t_critical(fit.cov.matrix[np.ix_(own, own)], level, seed=seed)
        half = np.tile(critical, k) * fit._se()
        columns |= {"band_low": fit.theta - half, "band_high": fit.theta + half}
    return pd.DataFrame(columns)


def line_data(fit: QuantileFit) -> tuple[np.ndarray, np.ndarray, np.ndarray, str, str]:
    """Regressor, outcome and fitted quantiles on a grid, for fits with one numerical regressor."""
    made = fit._need_rows("the plot of lines")
    slopes = [c for c in fit.columns if c != "Intercept"]
    if len(slopes) != 1 or slopes[0] not in made.recipe.columns:
        raise OptionError("kind='lines' draws fits with one numerical regressor; use kind='process' or 'coefficients'.")
    x = made.column(slopes[0])
    ends = np.array([x.min(), x.max()])
    intercept = fit.coef[:, fit.columns.index("Intercept")] if "Intercept" in fit.columns else 0.0
    lines = np.atleast_1d(intercept)[:, None] + fit.coef[:, [fit.columns.index(slopes[0])]] * ends
    return x, made.y, np.vstack([ends, lines]), slopes[0], made.response_names[0]
