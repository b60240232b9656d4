"""`si.rq_path`: quantile regressions with penalised coefficients, along a path of penalties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.formula import design
from statinf.formula.scale import check_sizes
from statinf.inference.levels import levels_of
from statinf.quantile.penalised.problem import path_problem
from statinf.quantile.penalised.result import QuantilePath
from statinf.quantile.solve import null_losses
from statinf.quantile.table import RQ_PATH


@RQ_PATH.document
def rq_path(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = 0.5,
    method: str = "lasso",
    penalty: Any = None,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> QuantilePath:
    """Fit quantile regressions whose coefficients are shrunk, and choose how much by cross-validation.

    The fit minimises sum_i w_i rho_tau(y_i - x_i'b) / sum_i w_i + penalty * size(b), where the size is the sum of the
    coefficients' absolute values or of the lengths of groups of them, on standardised columns. `penalty` is the alpha of
    scikit-learn's QuantileRegressor and the lambda of R's rqPen.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        As `statinf.lm` takes it.
    tau : float or sequence of float
        Levels in (0, 1), which share the path and choose their penalties apart.
    method : {"lasso", "group-lasso"}
    penalty : None, float or sequence of float
        None makes a path and chooses by cross-validation; so do several numbers; one is used as it is.
    weights : array of shape (rows,), str or Weights, optional
        Multiply each row's loss; taken as fixed.
    seed : int
        Of the folds.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
    **options
        {methods}

    Returns
    -------
    QuantilePath
        With `path`, `penalty`, `selected`, `coefficients(tau)`, `at(penalty)`, `predict` (one column per level, named "q0.1")
        and `score`.

    Raises
    ------
    ConvergenceError
        If a solution could not be certified.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    Belloni and Chernozhukov (2011), Annals of Statistics 39, arXiv 0904.2931; Kato (2011), arXiv 1103.1458.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.rq_path("progression ~ .", si.datasets.load("diabetes"), tau=[0.1, 0.5], nlambda=20)
    >>> fit.selected[0.5]
    ('sex', 'bmi', 'bp', 's1', 's3', 's5')
    """
    chosen, settings = RQ_PATH.read(method, {"penalty": penalty, **options})
    check_seed(seed)
    levels = levels_of(tau)
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    check_sizes(made)
    problem = path_problem(made, levels, settings, seed=seed, progress=progress)
    found = chosen.estimate(problem, settings)
    return QuantilePath(
        method=chosen.name,
        formula=made.recipe.formula,
        citation=chosen.reference,
        nobs=len(problem.used),
        kind=made.kind,
        dropped=made.dropped,
        recipe=made.recipe,
        tau=np.asarray(levels, float),
        columns=made.parts[0].names,
        found=found,
        null_loss=null_losses(problem.y, problem.w, levels, made.parts[0].intercept) * problem.unit,
        design=made,
    )
