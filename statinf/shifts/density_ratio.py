"""`density_ratio`: weights on source rows that make them look like a target sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError
from statinf.numerics.linear.products import RowExpansion
from statinf.results.methods import Method
from statinf.shifts.block_samples import sample_tables
from statinf.shifts.margins import read_margins
from statinf.shifts.overlap import check_support
from statinf.shifts.ratio import DensityRatio, shaped, slope_of
from statinf.shifts.ratio_estimate import Multiples, RatioEstimate, RatioMethod, check_known, default_ratio
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import Samples, check_columns
from statinf.shifts.table import DENSITY_RATIO

if TYPE_CHECKING:
    from statinf.shifts.block_ratio import BlockDensityRatio


@DENSITY_RATIO.document
def density_ratio(
    formula: str,
    source: Any,
    target: Any = None,
    *,
    method: str | None = None,
    totals: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    power: float = 1.0,
    trim: float | None = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> DensityRatio | BlockDensityRatio:
    """Estimate the density ratio of a target to a source sample.

    The estimand is p_T(x) / p_S(x) at the source rows and as a function of x; its mean over the source is about one.

    Parameters
    ----------
    formula : str
        `~ covariates`, read against the source; the target gets the same columns.
    source : data frame
        As `statinf.lm` takes it. Where source or target is a table in blocks (`statinf.blocks`), both are passed over, by
        "logistic" and "moment".
    target : data frame or mapping
        Rows of the target, or known means of the formula's terms: `{"age": 39.2, "g": {"a": 0.3, "b": 0.7}}`, numbers for
        numeric columns, shares by level for categories, and by the levels of both for "a:b", as nested mappings or with
        keys "a1:b1". A table with columns term, level and mean says the same. Known means are no sample: only the
        source adds to the standard errors.
    method : {"logistic", "moment", "kmm", "kliep", "ulsif", "double"}
        By default "logistic", and "moment" where margins are known, which no other method can use.
        "logistic" and "moment" are log-linear in the columns, and standard errors downstream account for them. The
        kernel methods need no shape, and their weights count as fixed downstream. They take distances between columns
        divided by their standard deviations over both samples; `scale=False` takes the columns as they stand, as other
        packages do. "double" weights the target's rows as well, for samples neither of which covers the other.
    totals : mapping, optional
        Known totals of the target in place of `target`, with the population's size as "Intercept" or through the counts
        of a variable's levels; the weights then sum to that size.
    weights : array of shape (source rows,) or str, optional
        Sampling weights of the source.
    target_weights : array of shape (target rows,) or str, optional
        Sampling weights of the target.
    power : float
        Ratios are raised to this power between 0 and 1: 1 leaves them, 0 makes them equal (Shimodaira 2000).
    trim : float, optional
        Largest ratio, applied after `power`; means are then met no longer, as they are under `bounds` of "moment".
    seed : int
        Of centres, folds and pairing.
        The order of the rows does not matter: what is drawn goes by their contents.
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method:

        {methods}

    Returns
    -------
    DensityRatio or BlockDensityRatio
        Goes into any verb as `weights=`; `score(newdata)` gives the ratio at new rows. That of "double" is a `DoubleRatio`,
        with `alpha`, `beta` and the worst-case risk over D in `path()`. That of tables in blocks holds no row: it makes the
        weights of each block anew, for verbs that pass over the same source.

    Raises
    ------
    DataError
        If the frames lack columns, or a column is constant, or there are too many columns for the method.
    NotIdentifiedError
        If there is no common support; the message names the columns and counts the target rows.
    InfeasibleError
        If no weights match the target's moments ("moment"), or known margins contradict one another.
    OptionError
        If an option is outside its domain or not one of the method's.

    References
    ----------
    Qin (1998), Biometrika 85; Hainmueller (2012), Political Analysis 20; Huang et al. (2007), NeurIPS 19; Sugiyama et al.
    (2008), Annals of the Institute of Statistical Mathematics 60; Kanamori, Hido and Sugiyama (2009), JMLR 10;
    Segovia-Martin, Mazuelas and Liu (2023), ICML, arXiv 2305.08637.

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

    Known margins in place of the trainees' rows, with ratios between a tenth and ten:

    >>> margins = {"age": 25.8, "married": 0.19}
    >>> w = si.density_ratio("~ age + married", survey, margins, distance="logit", bounds=(0.1, 10))
    >>> w.diagnostics()["mean_weighted"].round(3).tolist()
    [25.8, 0.19]
    """
    margins = read_margins(target, totals, target_weights)
    chosen, settings = DENSITY_RATIO.read(method or default_ratio(margins), options)
    check_known(chosen, margins)
    cut = check_shape(power, trim)
    check_seed(seed)
    tables = sample_tables(formula, source, target, weights, target_weights, known=margins is not None)
    if tables is not None:
        from statinf.shifts.density_ratio_passes import density_ratio_passes

        with reporting(progress):
            return density_ratio_passes(
                formula, tables, margins, chosen, settings, power=float(power), trim=cut, weights=weights,
                target_weights=target_weights, na_action=na_action, context=context, progress=progress,
            )  # fmt: skip
    samples = read_samples(
        formula, source, margins or target, weights=weights, target_weights=target_weights, na_action=na_action, context=context,
        seed=seed,
    )  # fmt: skip
    with reporting(progress):
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
    known = samples.target.known
    check_known(method, known)
    if isinstance(method, RatioMethod) and not method.drawn:
        samples = replace(samples, drawn=False)
    check_columns(samples)
    outside = check_support(samples.xs, samples.xt, samples.names) if known is None else 0
    return made_ratio(samples, method, method.estimate(samples, options), power, trim, outside)


def made_ratio(
    samples: Samples, method: Method, made: RatioEstimate, power: float = 1.0, trim: float = np.inf, outside: int = 0
) -> DensityRatio:
    """The result of an estimate; see `ratio_of` for the arguments, `outside` counts target rows that are not covered."""
    known = samples.target.known
    if not np.isfinite(made.ratio).all() or not (made.ratio > 0).any():
        raise DataError("the estimated ratio is zero or infinite at the source rows; the samples hardly overlap.")
    ratio = samples.on_source(shaped(made.ratio, power, trim))
    source = samples.source
    size = 1.0 if known is None or known.size is None else known.size / float((source.weights * ratio).sum())
    other = made.other_influence
    kind = getattr(method, "result", None) or DensityRatio
    return kind(
        method=method.name,
        formula=samples.recipe.formula,
        citation=method.reference,
        nobs=len(samples.at_source),
        values=source.weights * ratio * size,
        used=source.rows,
        n_total=source.n_total,
        identity=source.identity,
        derivative=None if made.derivative is None else partial(_derivative, made, samples, size, power, trim),
        influence=None if made.influence is None else partial(_influence, made, samples),
        other_influence=None if other is None else partial(_other_influence, other, samples),
        expansion=partial(_expansion, made, samples, size, power, trim) if made.expansion and samples.whole else None,
        kind=source.kind,
        ratio=ratio,
        rule=made.rule,
        recipe=samples.recipe,
        columns=samples.names,
        power=power,
        trim=trim,
        settings=made.settings,
        facts=made.facts,
        n_target=samples.target.nobs if known is not None else len(samples.at_target),
        uncovered_rows=outside,
        dropped=source.dropped,
        dropped_target=samples.target.dropped,
        target=samples.target.identity,
        samples=samples,
        **({"estimand": "the target population"} | dict(made.extra)),
    )


def _derivative(made: RatioEstimate, samples: Samples, size: float, power: float, trim: float) -> np.ndarray:
    """Derivative of the weights, flattened and cut, by the parameters behind the ratio; rows as in `samples.source`."""
    factor = _factor(made, samples, size, power, trim)
    own = made.derivative
    return samples.on_source(own.times(factor) if isinstance(own, Multiples) else _array(own) * factor[:, None])


def _factor(made: RatioEstimate, samples: Samples, size: float, power: float, trim: float) -> np.ndarray:
    """Derivative of the weights by the ratio behind them, shape (n,)."""
    return slope_of(made.ratio, power, trim) * samples.ws * size


def _expansion(made: RatioEstimate, samples: Samples, size: float, power: float, trim: float) -> RowExpansion:
    assert made.expansion is not None
    return made.expansion(_factor(made, samples, size, power, trim))


def _influence(made: RatioEstimate, samples: Samples) -> np.ndarray:
    return samples.on_source(_array(made.influence))


def _other_influence(other: Any, samples: Samples) -> np.ndarray:
    return samples.on_target(_array(other))


def _array(given: Any) -> np.ndarray:
    return np.asarray(given() if callable(given) else given)
