"""Standard errors of a `QuantileFit`, by the name of the covariance asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import block_diag

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError, NumericalWarning, OptionError
from statinf.formula.design import Design
from statinf.inference import bootstrap as engine
from statinf.inference.bands import sup_t_critical
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest, wald
from statinf.inference.sandwich import Covariance, Moments, covariance
from statinf.quantile import replicas as draws
from statinf.quantile.covariance import inverse_hessians, joint_covariance
from statinf.quantile.rank_inversion import rank_intervals
from statinf.quantile.working import WorkingRows
from statinf.results import stack_scores

if TYPE_CHECKING:
    import pandas as pd

    from statinf.quantile.fit import QuantileFit

NAMES = ("iid", "nid", "ker", "rank", "rank-nid", "boot", "fixed")
BOOTSTRAPS = ("pairs", "bayesian", "multiplier", "wild", "pwy")
DENSITIES = ("nid", "ker", "uniform", "iid")
_MANY_RANK_ROWS = 5000
_EXACT = 1e-12


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
    if isinstance(kind, Mapping) and "boot" in kind and set(kind) <= {"boot", "replicas", "seed", "cluster"}:
        if kind["boot"] not in BOOTSTRAPS:
            raise OptionError(f"boot={kind['boot']!r} is not known; choose one of {', '.join(map(repr, BOOTSTRAPS))}.")
        return dict(kind)
    raise OptionError(f"vcov={kind!r} is not known; give a name, {{'cluster': 'column'}} or {{'boot': 'pairs'}}.")


def with_cluster(kind: Any, cluster: Any) -> Any:
    """A checked kind that also draws or sums by the clusters of `cluster=`, or an `OptionError` if it cannot."""
    if cluster is None or (isinstance(kind, dict) and kind.get("cluster", cluster) == cluster):
        return kind if cluster is None else kind | {"cluster": cluster}
    raise OptionError(
        f"vcov={kind!r} does not account for cluster={cluster!r}; leave vcov out, or give vcov={{'boot': 'pairs'}} to "
        "draw clusters."
    )


def density(fit: QuantileFit, rows: WorkingRows, kind: str) -> tuple[np.ndarray, str]:
    """Inverse Hessians of the coefficients of Z by the densities of `kind`, or of the first kind that exists.

    Returns
    -------
    inverse : ndarray, shape (k, p, p)
    kind : str
        Which densities they are.
    """
    for one in dict.fromkeys((kind, *DENSITIES)):
        try:
            with warnings.catch_warnings():
                if one != kind:
                    warnings.simplefilter("ignore", NumericalWarning)
                return inverse_hessians(rows.Zw, rows.yw, fit.tau, rows.coef, one, fit.rule), one
        except (NotIdentifiedError, ConvergenceError):
            continue
    raise NotIdentifiedError(
        "no estimate of the outcome's density exists (many equal outcomes, or rows fitted exactly); use vcov='boot', "
        "which needs none."
    )


def existing(fit: QuantileFit) -> list[str]:
    """The kinds of covariance without clusters that this fit has."""
    rows, out = fit._rows(), []
    for kind in ("iid", "nid", "ker"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NumericalWarning)
                inverse_hessians(rows.Zw, rows.yw, fit.tau, rows.coef, kind, fit.rule)
            out.append(kind)
        except (NotIdentifiedError, ConvergenceError):
            continue
    return [*out, "rank", "boot"]


def without_errors(fit: QuantileFit, reason: str) -> QuantileFit:
    """The fit with its estimates alone, for want of the default covariance."""
    kinds = ", ".join(map(repr, existing(fit)))
    warnings.warn(
        f"the estimates come without standard errors: {reason} This fit has vcov = {kinds}.",
        NumericalWarning,
        stacklevel=4,
    )
    q = int(fit.estimable.sum())
    label = f"none, the default 'nid' does not exist; with_vcov() has {kinds}"
    return replace(fit, cov=Covariance(np.full((q, q), np.nan), "none", label, fit.df_resid))


def covariance_of(fit: QuantileFit, kind: Any) -> tuple[Covariance, np.ndarray]:
    """The covariance of a fit by its checked name, and that of the coefficients of Z."""
    made = fit._need_rows("standard errors")
    rows = fit._rows()
    if len(rows.y) <= rows.Z.shape[1] or not (fit.objective > _EXACT * np.abs(rows.yw).sum()).all():
        warnings.warn(
            "the rows are fitted exactly: the coefficients have no standard errors.", NumericalWarning, stacklevel=4
        )
        nothing = np.full((rows.coef.size, rows.coef.size), np.nan)
        return Covariance(nothing, kind, "none: exact fit", fit.df_resid), nothing
    inner = _inner_covariance(fit, kind, made, rows)
    return replace(inner, matrix=rows.carried_covariance(inner.matrix)), inner.matrix


def _inner_covariance(fit: QuantileFit, kind: Any, made: Design, rows: WorkingRows) -> Covariance:
    """The covariance of the coefficients of Z."""
    if isinstance(kind, dict):
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        codes, moments = {n: made.cluster_codes(n) for n in names}, _moments(fit, rows, _hessians(fit, rows, "uniform"))
        if made.weights_object is None:  # clusters of weight zero are absent
            codes = {n: np.unique(c[rows.used], return_inverse=True)[1] for n, c in codes.items()}
            moments = replace(moments, scores=moments.scores[rows.used])
        out = covariance(moments, kind, codes)
        return replace(out, label=f"{out.label.replace(' (HC0)', '')}, kernel density")
    name = str({"rank": "iid", "rank-nid": "nid", "fixed": "nid"}.get(kind, kind))
    limits = "; limits by inversion of rank tests" if kind in ("rank", "rank-nid") else ""
    estimated = getattr(made.weights_object, "derivative", None) is not None
    try:
        inverse = _hessians(fit, rows, name)
    except NotIdentifiedError:
        if not limits:
            raise
        nothing = np.full((rows.coef.size, rows.coef.size), np.nan)
        return Covariance(nothing, kind, f"none ({name} does not exist){limits}", fit.df_resid)
    if estimated and kind in ("nid", "ker"):
        stacked = covariance(_moments(fit, rows, inverse), "HC0")
        return replace(stacked, kind=kind, label=f"{kind}, weights estimated", df=fit.df_resid)
    model = joint_covariance(fit.tau, inverse, rows.Zw.T @ rows.Zw)
    return Covariance(model, kind, name + limits + (", weights taken as fixed" if estimated else ""), fit.df_resid)


def _hessians(fit: QuantileFit, rows: WorkingRows, kind: str) -> np.ndarray:
    return inverse_hessians(rows.Zw, rows.yw, fit.tau, rows.coef, kind, fit.rule)


def _moments(fit: QuantileFit, rows: WorkingRows, inverse: np.ndarray) -> Moments:
    """Scores w (tau - 1{r < 0}) z and inverse Hessians, of the coefficients of Z."""
    made = fit._need_rows("standard errors")
    unit = np.concatenate([psi[:, None] * rows.Z for psi in fit._psi(rows)], axis=1)
    n, q = made.n, unit.shape[1]
    scores, plain = np.zeros((n, q)), np.zeros((n, q))
    scores[rows.used], plain[rows.used] = unit * rows.w[:, None], unit
    stacked = {} if made.weights_object is None else stack_scores(made.weights_object, made.rows, plain)
    model = joint_covariance(fit.tau, inverse, rows.Zw.T @ rows.Zw)
    return Moments(scores, block_diag(*inverse), fit.nobs, fit.df_resid, model, **stacked)


def moments_of(fit: QuantileFit) -> Moments:
    """See `QuantileFit.moments`."""
    rows, kind = fit._rows(), fit.hessian_kind
    try:
        inverse, _ = density(fit, rows, "nid" if kind == "any" else kind)
    except NotIdentifiedError:
        if kind != "any":
            raise
        inverse = np.full((len(fit.tau), *2 * rows.Z.shape[1:]), np.nan)
    inner = _moments(fit, rows, inverse)
    if rows.at is None:
        return inner
    back = np.kron(np.eye(len(fit.tau)), rows.at.back)
    forward = np.kron(np.eye(len(fit.tau)), rows.at.forward)
    # Scores are those of the regressors, x = forward' z.
    carried = {
        name: None if part is None else part @ forward
        for name in ("scores", "adjustment", "outside")
        for part in (getattr(inner, name),)
    }
    model = None if inner.model is None else rows.carried_covariance(inner.model)
    return replace(inner, bread=back @ inner.bread @ back.T, model=model, **carried)


def rank_limits(fit: QuantileFit, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits of all coefficients by inversion of rank tests, with Student's t as the reference."""
    rows = fit._rows()
    if len(rows.y) > _MANY_RANK_ROWS:
        warnings.warn(
            f"rank inversion walks through of the order of the square root of n = {len(rows.y)} vertices a coefficient; "
            "vcov='nid' is close to it in large samples and immediate.",
            NumericalWarning,
            stacklevel=4,
        )
    critical = float(t_quantile(0.5 + level / 2, fit.df_resid))
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    iid = fit.cov.kind == "rank"
    found = np.stack([rank_intervals(rows.Zw, rows.yw, t, critical, iid=iid, functionals=rows.back) for t in fit.tau])
    if rows.at is not None:
        found = found + (rows.level * rows.at.unit)[:, None]
    low[fit.estimable], high[fit.estimable] = found.reshape(-1, 2).T
    return low, high


def refit_solver(fit: QuantileFit) -> Callable[[np.ndarray], np.ndarray]:
    """Coefficients of all levels from replica weights of shape (c, n); NaN where a replica has no solution."""
    fit._need_rows("bootstrap draws")
    rows = fit._rows()

    def solve(weights: np.ndarray) -> np.ndarray:
        w = weights[:, rows.used] * rows.w
        try:
            inner = draws.weighted_replicas(rows.Z, rows.y, fit.tau, rows.coef, w)
            return rows.carried(inner).reshape(len(w), -1)
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
    rows = fit._rows()
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
            rows.Zw, rows.yw, fit.tau, rows.coef, -fit._psi(rows), codes, draws.mammen(rng.random((replicas, count)))
        )
    elif kind == "pwy":
        made_draws = draws.gradient_replicas(rows.Zw, rows.yw, fit.tau, rows.coef, rng.random((replicas, len(rows.y))))
    else:
        inverse, _ = density(fit, rows, "iid")
        made_draws = draws.wild_replicas(
            rows.Zw, rows.yw, fit.tau, rows.coef, inverse, rng.random((replicas, len(rows.y)))
        )
    flat = rows.carried(made_draws).reshape(replicas, -1)
    influence = replace(fit, hessian_kind="any").moments().influence
    good = np.isfinite(flat).all(axis=1)
    failed = int((~good).sum())
    if failed > replicas / 10:
        raise ConvergenceError(
            f"{failed} of {replicas} replicas of kind={kind!r} have no solution: the level is too extreme for the rows; "
            "use kind='bayesian' or 'multiplier'."
        )
    flat = flat[good]
    result = engine.Bootstrap(flat, kind, "", seed, engine.acceleration(influence), clusters=count, failed=failed)
    cov = Covariance(result.covariance, "bootstrap", result.label, fit.cov.df)
    return replace(fit, cov=cov, inner=_inner_of_draws(fit, flat), draws=result)


def shared_bootstrap(
    fit: QuantileFit, run: Callable[..., QuantileFit], replicas: int, kind: str, **options: Any
) -> Any:
    """The bootstraps that all fits have, by `run`; those that refit need no density."""
    if kind == "multiplier":
        made = run(replicas, kind, **options)
        used = density(fit, fit._rows(), fit.hessian_kind)[1]
        if used != fit.hessian_kind:
            made = replace(made, cov=replace(made.cov, label=f"{made.cov.label}, {used} densities"))
    else:
        made = run(replicas, kind, **options)
    assert made.draws is not None
    return replace(made, inner=_inner_of_draws(made, made.draws.draws))


def _inner_of_draws(fit: QuantileFit, draws_: np.ndarray) -> np.ndarray | None:
    """The covariance of draws of the coefficients of Z."""
    if fit.at is None:
        return None
    p = len(fit.at.shift)
    inner = draws_.reshape(len(draws_), -1, p) @ fit.at.forward.T
    return np.atleast_2d(np.cov(inner.reshape(len(draws_), -1), rowvar=False))


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
