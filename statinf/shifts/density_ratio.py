"""`density_ratio`: weights on source rows that make them look like a target sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError
from statinf.results.methods import Method
from statinf.shifts.overlap import check_support
from statinf.shifts.ratio import DensityRatio, shaped
from statinf.shifts.ratio_estimate import RatioEstimate
from statinf.shifts.samples import Samples, check_columns, read_samples
from statinf.shifts.table import DENSITY_RATIO


@DENSITY_RATIO.document
def density_ratio(
    formula: str,
    source: Any,
    target: Any,
    *,
    method: str = "logistic",
    weights: Any = None,
    target_weights: Any = None,
    power: float = 1.0,
    trim: float | None = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
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
        kernel methods need no shape, and their weights count as fixed downstream. They take distances between columns
        divided by their standard deviations over both samples; `scale=False` takes the columns as they stand, as other
        packages do.
    weights : array of shape (source rows,) or str, optional
        Sampling weights of the source.
    target_weights : array of shape (target rows,) or str, optional
        Sampling weights of the target.
    power : float
        Ratios are raised to this power between 0 and 1: 1 leaves them, 0 makes them equal (Shimodaira 2000).
    trim : float, optional
        Largest ratio, applied after `power`.
    seed : int
        Of centres, folds and pairing.
        The order of the rows does not matter: what is drawn goes by their contents.
    na_action, context
        As in `statinf.lm`.
    **options
        Of the method:

        {methods}

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
    chosen, settings = DENSITY_RATIO.read(method, options)
    cut = check_shape(power, trim)
    check_seed(seed)
    samples = read_samples(
        formula, source, target, weights=weights, target_weights=target_weights, na_action=na_action, context=context,
        seed=seed,
    )  # fmt: skip
    return ratio_of(samples, chosen, settings, float(power), cut)


def check_shape(power: Any, trim: Any = None) -> float:
    """The largest ratio, once it and the power are known to be in range."""
    if not _is_number(power) or not 0.0 <= power <= 1.0:
        raise OptionError(f"power={power!r} is not a number between 0 and 1.")
    if trim is not None and (not _is_number(trim) or not trim > 0):
        raise OptionError(f"trim={trim!r} is not a positive number.")
    return np.inf if trim is None else float(trim)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float | np.integer | np.floating) and not isinstance(given, bool)


def ratio_of(samples: Samples, method: Method, options: Any, power: float = 1.0, trim: float = np.inf) -> DensityRatio:
    """The density ratio of two samples that were read.

    Parameters
    ----------
    samples : Samples
    method : Method
        Of `density_ratio`.
    options : Options
        Of the method.
    power, trim : float
    """
    check_columns(samples)
    outside = check_support(samples.xs, samples.xt, samples.names)
    made: RatioEstimate = method.estimate(samples, options)
    if not np.isfinite(made.ratio).all() or not (made.ratio > 0).any():
        raise DataError("the estimated ratio is zero or infinite at the source rows; the samples hardly overlap.")
    ratio = samples.on_source(shaped(made.ratio, power, trim))
    source = samples.source

    def back(values: np.ndarray | None, target: bool = False) -> np.ndarray | None:
        if values is None:
            return None
        return samples.on_target(values) if target else samples.on_source(values)

    return DensityRatio(
        method=method.name,
        formula=samples.recipe.formula,
        citation=method.reference,
        nobs=len(samples.xs),
        values=source.weights * ratio,
        used=source.rows,
        n_total=source.n_total,
        identity=source.identity,
        estimand="the target population",
        derivative=back(_derivative(made, samples.ws, power, trim)),
        influence=back(made.influence),
        other_influence=back(made.other_influence, target=True),
        kind=source.kind,
        ratio=ratio,
        rule=made.rule,
        recipe=samples.recipe,
        columns=samples.names,
        power=power,
        trim=trim,
        settings=made.settings,
        facts=made.facts,
        n_target=len(samples.xt),
        uncovered_rows=outside,
        dropped=source.dropped,
        dropped_target=samples.target.dropped,
        target=samples.target.identity,
        samples=samples,
    )


def _derivative(made: RatioEstimate, ws: np.ndarray, power: float, trim: float) -> np.ndarray | None:
    """Derivative of the weights, flattened and cut, by the parameters behind the ratio."""
    if made.derivative is None:
        return None
    raw = made.ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(raw > 0, power * raw ** (power - 1.0), 0.0) * (shaped(raw, power, np.inf) < trim)
    return made.derivative * (slope * ws)[:, None]
