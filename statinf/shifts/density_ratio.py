"""`density_ratio`: weights on source rows that make them look like a target sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.results.listed import load_method
from statinf.shifts.estimate import Estimate
from statinf.shifts.kernels import warn_scales
from statinf.shifts.overlap import check_support, uncovered
from statinf.shifts.ratio import DensityRatio, shaped
from statinf.shifts.samples import Samples, two_samples
from statinf.shifts.table import METHODS

KERNEL_METHODS = ("kmm", "kliep", "ulsif")


def density_ratio(
    formula: str,
    source: Any,
    target: Any,
    *,
    method: str = "logistic",
    weights: Any = None,
    target_weights: Any = None,
    sigma: Any = None,
    lambda_: Any = None,
    n_centers: int | None = None,
    ridge: float | None = None,
    bound: float | None = None,
    eps: float | None = None,
    folds: int | None = None,
    scale: bool = False,
    power: float = 1.0,
    trim: float | None = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> DensityRatio:
    """Estimate the density ratio of a target to a source sample.

    The estimand is p_T(x) / p_S(x) at the source rows and as a function of x; its mean over the source is about one.

    Parameters
    ----------
    formula : str
        `~ covariates`, read against the source; the target gets the same columns.
    source, target : data frame
        As `statinf.lm` takes them.
    method : {"logistic", "moment", "kmm", "kliep", "ulsif"}
        "logistic" and "moment" are log-linear in the columns, and standard errors downstream account for them. The
        kernel methods need no shape, and their weights count as fixed downstream.
    weights : array of shape (source rows,) or str, optional
        Sampling weights of the source.
    target_weights : array of shape (target rows,) or str, optional
        Sampling weights of the target.
    sigma : float, sequence of float or "median", optional
        Bandwidth of the Gaussian kernel, in units of the columns. By default the median distance ("kmm"), or chosen from
        a grid of multiples of it: by leave-one-out ("ulsif") or cross-validated likelihood ("kliep").
    lambda_ : float or sequence of float, optional
        Ridge of "ulsif"; by default chosen from ten values between 1e-3 and 10 together with sigma.
    n_centers : int, optional
        Bumps of "kliep" and "ulsif", at random target rows; 100 by default.
    ridge, bound, eps : float, optional
        Of "kmm": ridge (1), largest weight (1000), and slack of the mean weight around one (0.05 from 400 rows,
        1 / sqrt(n) below).
    folds : int, optional
        Of the cross-validation of "kliep"; 5 by default.
    scale : bool
        Divide columns by their standard deviation over both samples before kernels see them.
    power : float
        Ratios are raised to this power between 0 and 1: 1 leaves them, 0 makes them equal (Shimodaira 2000).
    trim : float, optional
        Largest ratio, applied after `power`.
    seed : int
        Of centres, folds and pairing.
    na_action, context
        As in `statinf.lm`.

    Returns
    -------
    DensityRatio
        Goes into any verb as `weights=`; `score(newdata)` gives the ratio at new rows.

    Raises
    ------
    DataError
        If the frames lack columns, or a column is constant, or there are too many columns for the method.
    NotIdentifiedError
        If there is no common support; the message names the columns and counts the target rows.
    InfeasibleError
        If no weights match the target's moments ("moment").
    OptionError
        If an option is outside its domain or not one of the method's.

    References
    ----------
    Qin (1998), Biometrika 85; Hainmueller (2012), Political Analysis 20; Huang et al. (2007), NeurIPS 19; Sugiyama et al.
    (2008), Annals of the Institute of Statistical Mathematics 60; Kanamori, Hido and Sugiyama (2009), JMLR 10.

    Examples
    --------
    Trainees of the experiment as the target, a survey sample as the source:

    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> survey, trainees = data[data["treat"] == 0], data[data["treat"] == 1]
    >>> w = si.density_ratio("~ age + educ + married", survey, trainees, method="moment")
    >>> w.diagnostics()[["column", "mean_source", "mean_weighted", "mean_target"]].round(3)
        column  mean_source  mean_weighted  mean_target
    0      age       28.030         25.816       25.816
    1     educ       10.235         10.346       10.346
    2  married        0.513          0.189        0.189
    """
    module = load_method(METHODS, "density_ratio", method)
    given = {
        "sigma": sigma,
        "lambda_": lambda_,
        "n_centers": n_centers,
        "ridge": ridge,
        "bound": bound,
        "eps": eps,
        "folds": folds,
    }
    options = check_options(method, module.OPTIONS, given)
    if method in KERNEL_METHODS:
        options["seed"] = seed
    elif scale:
        raise OptionError(f"scale=True is for kernel methods; '{method}' does not depend on the columns' units.")
    if not 0.0 <= power <= 1.0 or (trim is not None and not trim > 0):
        raise OptionError(f"power={power!r}, trim={trim!r}: power lies in [0, 1] and trim is positive.")
    samples = two_samples(
        formula, source, target, weights=weights, target_weights=target_weights, na_action=na_action, context=context
    )
    check_support(samples.xs, samples.xt, samples.names)
    centre, spread = np.zeros(len(samples.names)), np.ones(len(samples.names))
    if scale:
        pooled = np.concatenate([samples.xs, samples.xt])
        centre, spread = pooled.mean(axis=0), pooled.std(axis=0)
    elif method in KERNEL_METHODS:
        warn_scales(samples.xs, samples.xt, samples.names)
    inside = samples if not scale else _rescaled(samples, centre, spread)
    made = module.estimate(inside, **options)
    return _finish(
        method, module.CITATION, inside, made, centre, spread, power, np.inf if trim is None else float(trim)
    )


def check_options(method: str, known: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, if the method takes them."""
    chosen = {name: value for name, value in given.items() if value is not None}
    foreign = [name for name in chosen if name not in known]
    if foreign:
        listed = ", ".join(known) or "none of the tuning options"
        raise OptionError(f"method={method!r} does not take {', '.join(f'{n}=' for n in foreign)}; it takes {listed}.")
    return chosen


def _rescaled(samples: Samples, centre: np.ndarray, spread: np.ndarray) -> Samples:
    from dataclasses import replace

    return replace(samples, xs=(samples.xs - centre) / spread, xt=(samples.xt - centre) / spread)


def _finish(
    method: str,
    citation: str,
    samples: Samples,
    made: Estimate,
    centre: np.ndarray,
    spread: np.ndarray,
    power: float,
    trim: float,
) -> DensityRatio:
    raw = made.ratio
    if not np.isfinite(raw).all() or not (raw > 0).any():
        raise DataError("the estimated ratio is zero or infinite at the source rows; the samples hardly overlap.")
    ratio = shaped(raw, power, trim)
    derivative = made.derivative
    if derivative is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(raw > 0, power * raw ** (power - 1.0), 0.0) * (ratio < trim)
        derivative = derivative * (slope * samples.ws)[:, None]
    source = samples.source
    return DensityRatio(
        method=method,
        formula=samples.recipe.formula,
        citation=citation,
        nobs=source.n,
        values=samples.ws * ratio,
        used=source.rows,
        n_total=source.n_total,
        identity=source.identity,
        estimand="the target population",
        derivative=derivative,
        influence=made.influence,
        other_influence=made.other_influence,
        kind=source.kind,
        ratio=ratio,
        rule=made.rule,
        recipe=samples.recipe,
        columns=samples.names,
        centre=centre,
        scale=spread,
        power=float(power),
        trim=trim,
        settings=made.settings,
        facts=made.facts,
        n_target=len(samples.xt),
        uncovered_rows=uncovered(samples.xs, samples.xt)[1],
        dropped=source.dropped,
        dropped_target=samples.target.dropped,
        samples=samples,
    )
