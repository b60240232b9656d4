"""`si.quantile_process`: all conditional quantiles by one network.

Shen, Jiao, Lin, Horowitz and Huang (2024), Estimation of non-crossing quantile regression process with deep ReQU neural
networks, Journal of Machine Learning Research 25, arXiv 2207.10442. Estimand: the quantile Q(tau | x) of the outcome for
every level in (0, 1); rows are independent and identically distributed, which calibration weakens to exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, NumericalWarning, issue_warning
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.inference.levels import levels_of
from statinf.learners.process_network import FittedProcess, ProcessNetwork
from statinf.learners.process_objective import KNOTS
from statinf.quantile.ensemble_calibration import SHARE, pairs
from statinf.quantile.noncrossing.calibration import calibrated
from statinf.quantile.noncrossing.options import ProcessOptions
from statinf.quantile.noncrossing.result import QuantileProcess
from statinf.quantile.table import PROCESS
from statinf.results import Method

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_FEW, _FEWEST = 50, 10


@dataclass(frozen=True)
class ProcessProblem:
    """Rows of positive weight: X (n, p), the outcome less its offset y (n,), weights w (n,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray

    @classmethod
    def of(cls, made: Design) -> ProcessProblem:
        """The rows of a design."""
        y = made.y if made.offset is None else made.y - made.offset
        used = made.weights > 0
        return cls(made.parts[0].without_intercept().values[used], y[used], made.weights[used])

    def part(self, use: np.ndarray) -> ProcessProblem:
        return ProcessProblem(self.X[use], self.y[use], self.w[use])


def estimate(
    problem: ProcessProblem, options: ProcessOptions, *, tau: np.ndarray, seed: int, progress: Any = None
) -> tuple[FittedProcess, Any]:
    """The trained process and its calibration, None without."""
    learner = ProcessNetwork(
        network=options.network,
        hidden=options.hidden,
        penalty=options.penalty,
        gap=options.gap,
        knots=options.knots or KNOTS,
        tau_sampling=options.tau_sampling,
        epochs=options.epochs,
        patience=options.patience,
        rate=options.rate,
        plateau=options.plateau,
        batch=options.batch,
        progress=partial(progress_bar, label="training the quantile process", show=progress),
    )
    if options.calibrate is None:
        return learner.fit(problem.X, problem.y, problem.w, seed=seed), None
    n = len(problem.y)
    aside = np.zeros(n, bool)
    aside[generator(seed, 21).permutation(n)[: int(np.ceil(SHARE * n))]] = True
    own, held = problem.part(~aside), problem.part(aside)
    fitted = learner.fit(own.X, own.y, own.w, seed=seed)
    return fitted, calibrated(options.calibrate, fitted, held.X, held.y, tau)


METHOD = Method(
    verb="quantile_process",
    name="",
    estimate=estimate,
    options=ProcessOptions,
    summary="all conditional quantiles by one network over covariates and level, kept from crossing",
    citation="Shen, Jiao, Lin, Horowitz and Huang (2024)",
    arxiv="2207.10442",
    guarantee="nonparametric rate for smooth processes; conformal coverage with calibrate=",
    vignette="quantile-process",
    traits={"row order": "held-out rows and minibatches are drawn by the position of rows"},
)


def _check_rows(problem: ProcessProblem, outcome: str) -> None:
    n = len(problem.y)
    if n < _FEWEST:
        raise DataError(f"{n} rows are too few to train a network on; use si.rq.")
    if problem.y.min() == problem.y.max():
        raise DataError(f"the outcome '{outcome}' has one value, {problem.y[0]:g}: all of its quantiles are the same.")
    if n < _FEW:
        issue_warning(f"{n} rows are few for a network, which needs hundreds; compare with si.rq.", NumericalWarning)


@PROCESS.document
def quantile_process(
    formula: str,
    data: Any,
    *,
    tau: float | Sequence[float] = LEVELS,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> QuantileProcess:
    """Fit all conditional quantiles of an outcome by one neural network.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, with `offset()` if there is one.
    data : data frame
    tau : float or sequence of float
        Levels that are predicted by default, and those that `calibrate="cqr"` calibrates; the network itself knows all levels.
    weights : array, str or Weights, optional
        Row weights of the loss; taken as fixed. Calibration counts the rows set aside equally.
    seed : int
        Draws the network's start, the rows held out and set aside, the minibatches and their levels.
    na_action : {"drop", "raise"}
    context : mapping, optional
    progress : bool, optional
    **options
        {methods}

    Returns
    -------
    QuantileProcess
        With `predict(new, tau=)`, `derivative`, `cdf`, `sample`, `crossing_rate`, `score` and `plot`.

    Raises
    ------
    ConvergenceError
        If the loss never was finite.
    FormulaError, DataError, OptionError

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("engel")
    >>> fit = si.quantile_process("foodexp ~ income", data, hidden=(16, 16), penalty=1, epochs=40)
    >>> new = data.head(2)
    >>> list(fit.predict(new, tau=[0.1, 0.9]).columns)
    ['q0.1', 'q0.9']
    >>> fit.crossing_rate(data)
    0.0
    """
    method, settings = PROCESS.read("", options)
    levels = levels_of(tau)
    check_seed(seed)
    if settings.calibrate == "cqr":
        pairs(levels)
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    check_sizes(made)
    problem = ProcessProblem.of(made)
    _check_rows(problem, made.response_names[0])
    fitted, calibration = method.estimate(problem, settings, tau=levels, seed=seed, progress=progress)
    if fitted.skipped:
        issue_warning(f"{fitted.skipped} steps were left out: their loss was not finite.", NumericalWarning)
    return QuantileProcess(
        method=method.verb,
        formula=made.recipe.formula,
        citation=method.reference,
        nobs=len(problem.y),
        tau=levels,
        network=settings.network,
        calibrate=settings.calibrate,
        process=fitted,
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        calibration=calibration,
    )
