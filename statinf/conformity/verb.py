"""`si.conformal`: prediction sets with finite-sample coverage, from a formula."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.conformity import mondrian
from statinf.conformity.options import LEAVE_OUT, check_whole_sample, score_of
from statinf.conformity.procedure import Full, LeaveOut, Split, leave_one_out_procedure
from statinf.conformity.result import Conformal
from statinf.conformity.shift import calibration_ratio, read_ratio
from statinf.conformity.table import METHODS
from statinf.errors import DataError, OptionError, StatinfWarning, check_level, one_of
from statinf.formula import design
from statinf.formula.design import Design
from statinf.formula.given import aligned
from statinf.inference.conformal import Calibration
from statinf.learners import crossfit, fold_ids, resolve


def conformal(
    formula: str,
    data: Any,
    *,
    model: Any = None,
    method: str = "split",
    level: float = 0.9,
    score: str | None = None,
    side: str = "both",
    split: Any = 0.5,
    folds: int | Sequence[Any] | np.ndarray = 5,
    groups: str | Sequence[str] | None = None,
    weights: Any = None,
    draws: int = 50,
    mass_draws: int = 500,
    adjust: str | None = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Conformal:
    """Prediction sets that hold a new outcome with a probability of at least `level`.

    Coverage holds in finite samples whatever the model, if calibration and new rows are exchangeable. It is marginal:
    an average over rows. `method="mondrian"` makes it hold in groups, `"cqr"`, `score="normalised"` and the `"cp2"`
    methods adapt sets to the row, `weights=` moves it to another population.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, or `outcome ~ covariates | groups`.
    data : data frame
        pandas, polars, pyarrow, duckdb, or a dict of columns.
    model : str or object, optional
        A learner's name, a learner from `statinf.learners`, or any scikit-learn estimator. By default least squares;
        `"rq"` for `"cqr"`, a mixture density network (`"mdn"`) for `"pcp"` and the `"cp2"` methods.
    method : str
        `"split"`; `"cqr"`; `"jackknife"`, `"jackknife+"`, `"jackknife-minmax"`; `"cv+"`, `"cv-minmax"`; `"full"`
        (least squares, ridge, kernel ridge); `"mondrian"`; `"pcp"`; `"cp2-pcp"`, `"cp2-hpd"`.
    level : float
        Coverage in (0, 1).
    score : str, optional
        For split and mondrian `"absolute"`, `"normalised"` (residuals over a fitted scale) or `"asymmetric"` (half the
        miss rate in each tail); for cqr `"symmetric"`, `"asymmetric"`, `"m"`, `"r"` or `"fraction"`; for full
        `"absolute"`, `"studentised"` or `"deleted"`.
    side : {"both", "upper", "lower"}
        Bound the outcome from one side only.
    split : float, str or array of shape (rows,)
        Share of rows that the model is fitted to, or a column or array that is true for them. 0 means that `model` is
        fitted already, to other rows, and every row calibrates.
    folds : int or array
        For `"cv+"`: how many, or a label a row used.
    groups : str or list of str, optional
        Columns whose combinations are groups.
    weights : Weights, callable or str, optional
        The density ratio target/source: a `Weights` that scores new rows, a function of a data frame, or a column
        that new data hold too. It is not a weight of rows in the model's fit.
    draws, mass_draws : int
        Centres a row for `"pcp"` and `"cp2-pcp"`, and draws that measure their mass for `"cp2-pcp"`.
    adjust : {"linear", "difference", "none"}, optional
        How the `"cp2"` methods adapt the threshold; "none" (one density level) for `"cp2-hpd"` only.
    seed : int
        Of the split, the folds, the model's random numbers and the draws.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.

    Returns
    -------
    Conformal
        `predict`, `predict_set`, `contains`, `coverage`, `plot`, `summary`.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used.
    OptionError
        If options are unknown or do not go together.

    Warns
    -----
    StatinfWarning
        If calibration rows are so few that sets are infinite, with the number that would do.

    References
    ----------
    `statinf methods` lists the paper of each method.

    Examples
    --------
    >>> import statinf as si
    >>> cars = si.datasets.load("mtcars")
    >>> fit = si.conformal("mpg ~ wt + qsec", cars, method="jackknife+", level=0.9)
    >>> fit.predict(cars.head(2)).round(1)
       estimate  lower  upper
    0      21.8   16.0   27.2
    1      21.0   15.3   26.5
    """
    names = tuple(m.name for m in METHODS)
    one_of("method", method, names)
    check_level(level)
    if method == "mondrian" and groups is None and "|" not in formula:
        raise OptionError(
            "method='mondrian' needs groups: groups='column', or a second part 'outcome ~ covariates | column'."
        )
    d = design(
        mondrian.with_groups(formula, groups),
        data,
        roles=("covariates", mondrian.ROLE),
        na_action=na_action,
        context=context,
    )
    if d.offset is not None:
        raise OptionError("conformal prediction takes no offset(); subtract it from the outcome.")
    ratio, part = read_ratio(weights), d.part(mondrian.ROLE)
    X = np.ascontiguousarray(d.part("covariates").without_intercept().values)  # type: ignore[union-attr]
    found, codes = mondrian.find_groups(part) if part is not None else (None, None)
    if method in LEAVE_OUT or method == "full":
        full_score = check_whole_sample(method, score, side, {"weights": weights, "groups": part, "adjust": adjust})
        procedure = _whole_sample(
            method,
            full_score,
            resolve("lm" if model is None else model, "mean"),
            X,
            d.y,
            folds,
            seed,
            progress,
        )
    else:
        rule = score_of(method, score, side, level, draws=draws, mass_draws=mass_draws, adjust=adjust)
        train = training_rows(split, d, seed)
        fitted = (
            rule.learner(model, level).fit(X[train], d.y[train], seed=seed)
            if train.any()
            else model_as_fitted(rule, model, level)
        )
        rest = np.flatnonzero(~train)
        scores = rule.score(rule.local(fitted, X[rest], seed), d.y[rest])
        values = None if ratio is None else calibration_ratio(ratio, d, data, rest)
        calibration = Calibration(scores, values, None if codes is None else codes[rest])
        procedure = Split(rule, fitted, calibration, seed, int(train.sum()))
    _warn_infinite(procedure, level, found)
    record = next(m for m in METHODS if m.name == method)
    return Conformal(
        method=method,
        formula=formula,
        citation=f"{record.paper}{f', arXiv {record.arxiv}' if record.arxiv else ''}",
        nobs=d.n,
        level=float(level),
        procedure=procedure,
        recipe=d.recipe,
        kind=d.kind,
        dropped=dict(d.dropped),
        groups=found,
        ratio=ratio,
        seed=seed,
        data=data,
    )


def _whole_sample(
    method: str, score: str, learner: Any, X: np.ndarray, y: np.ndarray, folds: Any, seed: int, progress: bool | None
) -> Any:
    if method == "full":
        if not hasattr(learner, "smoother"):
            raise OptionError(
                f"method='full' needs a fit that is linear in the outcomes: 'lm', 'ridge' or 'kernel_ridge'; "
                f"{type(learner).__name__} is not. Use method='jackknife+' or 'cv+'."
            )
        return Full(learner, X, y, score)
    if method.startswith("jackknife"):
        return leave_one_out_procedure(learner, X, y, LEAVE_OUT[method], seed, progress)
    cross = crossfit(learner, X, y, fold_ids(len(y), folds, seed=seed), seed=seed, progress=progress)
    return LeaveOut(learner.fit(X, y, seed=seed), cross, np.abs(y - cross.predictions), LEAVE_OUT[method])


def training_rows(split: Any, d: Design, seed: int) -> np.ndarray:
    """Which of the rows used the model is fitted to (n,).

    Raises
    ------
    OptionError
        If no row is left to calibrate, or none to fit a model.
    """
    if isinstance(split, bool):
        raise OptionError(f"split={split!r} must be a share of rows, a column, or an array with one value a row.")
    if isinstance(split, int | float | np.number):
        share = float(split)
        if not 0.0 <= share < 1.0:
            raise OptionError(
                f"split={split!r} is the share of rows that the model is fitted to; it must be in [0, 1)."
            )
        count = round(share * d.n)
        if share > 0.0 and not 1 <= count < d.n:
            raise DataError(
                f"{d.n} rows cannot be split into training and calibration rows; use method='jackknife+' or 'full'."
            )
        train = np.zeros(d.n, bool)
        train[generator(seed, 17).permutation(d.n)[:count]] = True
        return train
    if isinstance(split, str):
        values = np.asarray(d.column(split))
    else:
        values = np.asarray(aligned(split, d.frame, "split"))
        if values.shape != (d.n_total,):
            raise OptionError(
                f"split has shape {values.shape}; give one value a row of the data, shape ({d.n_total},)."
            )
        values = values[d.rows]
    if not np.isin(values, (0, 1)).all():
        raise OptionError(
            "split must hold true and false (or 1 and 0) only: true for the rows that the model is fitted to."
        )
    train = values.astype(bool)
    if train.all():
        raise OptionError("split leaves no row to calibrate on; some rows must be false.")
    return train


def model_as_fitted(rule: Any, model: Any, level: float) -> Any:
    """A model that the caller fitted, for `split=0`.

    Raises
    ------
    OptionError
        If it is a name, or has no `predict`.
    """
    from statinf.learners.sklearn import FittedSklearn

    if model is None or isinstance(model, str) or (hasattr(model, "fit") and not hasattr(model, "predict")):
        raise OptionError(
            "split=0 calibrates on every row: give model= an object that is fitted already and has predict."
        )
    fitted = FittedSklearn(model) if hasattr(model, "get_params") else model
    return rule.from_fitted(fitted, level) if hasattr(rule, "from_fitted") else fitted


def _warn_infinite(procedure: Split | LeaveOut | Full, level: float, groups: Any) -> None:
    needed = procedure.smallest(level)
    codes = procedure.calibration.groups if isinstance(procedure, Split) else None
    if codes is None:
        if procedure.n < needed:
            kind = "calibration rows" if isinstance(procedure, Split) else "rows"
            warnings.warn(
                f"Every set is infinite: {procedure.n} {kind} are too few at level {level:g}; at least {needed} are needed.",
                StatinfWarning,
                stacklevel=3,
            )
        return
    counts = np.bincount(codes, minlength=len(groups.labels))
    small = [f"'{groups.labels[g]}' ({counts[g]})" for g in np.flatnonzero(counts < needed)]
    if small:
        shown = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        warnings.warn(
            f"Sets are infinite in {len(small)} groups with fewer than {needed} calibration rows, which level {level:g} "
            f"needs: {shown}.",
            StatinfWarning,
            stacklevel=3,
        )
