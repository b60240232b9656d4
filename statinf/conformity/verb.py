"""`si.conformal`: prediction sets with finite-sample coverage, from a formula."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.conformity import mondrian
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Full, LeaveOut, Split
from statinf.conformity.result import Conformal
from statinf.conformity.shift import read_ratio
from statinf.conformity.table import CONFORMAL
from statinf.errors import OptionError, StatinfWarning, check_level
from statinf.formula import design


@CONFORMAL.document
def conformal(
    formula: str,
    data: Any,
    *,
    model: Any = None,
    method: str = "split",
    level: float = 0.9,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Conformal:
    """Prediction sets that hold a new outcome with a probability of at least `level`.

    Coverage holds in finite samples whatever the model, if calibration and new rows are exchangeable. It is marginal:
    an average over rows. `method="mondrian"` makes it hold in groups, `"cqr"`, `score="normalised"` and the `"cp2"`
    methods adapt sets to the row, `weights=` moves it to another population.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, or `outcome ~ covariates | groups` for methods that calibrate on held-out rows.
    data : data frame
        pandas, polars, pyarrow, duckdb, or a dict of columns.
    model : str or object, optional
        A learner's name, a learner from `statinf.learners`, or any scikit-learn estimator. By default least squares;
        `"rq"` for `"cqr"`, a mixture density network (`"mdn"`) for `"pcp"` and the `"cp2"` methods.
    method : str
        {methods}
    level : float
        Coverage in (0, 1).
    weights : Weights, callable or str, optional
        The density ratio target/source: a `Weights` that scores new rows, a function of a data frame, or a column
        that new data hold too. It is not a weight of rows in the model's fit.
    seed : int
        Of the split, the folds, the model's random numbers and the draws.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.
    **options
        Of the method, as listed there.

    Returns
    -------
    Conformal
        `predict`, `predict_set`, `contains`, `p_values`, `coverage`, `plot`, `summary`. For `"cps"` a
        `PredictiveSystem`, which has `quantile`, `cdf`, `interval`, `sample` and `crps` too.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used.
    OptionError
        If the method does not take an option, or options do not go together.

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
    chosen, settings = CONFORMAL.read(method, options)
    assert isinstance(chosen, ConformalMethod)
    level = check_level(level)
    check_seed(seed)
    ratio = read_ratio(weights)
    if ratio is not None and not chosen.held_out:
        raise OptionError(
            f"weights= needs calibration rows that the model has not seen; use method='split' or 'cqr', not {method!r}."
        )
    by = settings.by if chosen.held_out else None
    if chosen.grouped and by is None and "|" not in formula:
        raise OptionError(
            f"method={method!r} needs groups: by='column', or a second part 'outcome ~ covariates | column'."
        )
    d = design(
        mondrian.with_groups(formula, by),
        data,
        roles=("covariates", mondrian.ROLE) if chosen.held_out else ("covariates",),
        na_action=na_action,
        context=context,
    )
    if d.offset is not None:
        raise OptionError("conformal prediction takes no offset(); subtract it from the outcome.")
    problem = ConformalProblem(d, data, model, level, ratio, seed, progress)
    procedure = chosen.estimate(problem, settings)
    groups = None if problem.groups is None else problem.groups[0]
    _warn_infinite(procedure, level, groups)
    return (chosen.result or Conformal)(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=d.n,
        level=level,
        procedure=procedure,
        recipe=d.recipe,
        kind=d.kind,
        dropped=dict(d.dropped),
        groups=groups,
        ratio=ratio,
        seed=seed,
        unions=chosen.unions,
        data=data,
    )


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
