"""Ensembles of quantile models whose weights may vary over models, levels and feature values.

Fakoor, Kim, Mueller, Smola and Tibshirani (2023), Flexible model aggregation for quantile regression, Journal of
Machine Learning Research 24, arXiv 2103.00083. The estimand is the conditional quantile at each level; rows are
independent and identically distributed, which calibration weakens to exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator, reporting
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.inference.levels import given_levels, levels_of, positions
from statinf.learners.nuisance import over_mean
from statinf.quantile import ensemble_calibration as conformal
from statinf.quantile import ensemble_core as core_
from statinf.quantile.ensemble_options import EnsembleOptions
from statinf.quantile.ensemble_result import QuantileEnsemble
from statinf.quantile.scores import pinball
from statinf.quantile.table import ENSEMBLE
from statinf.results import Method

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class EnsembleProblem:
    """Rows of positive weight: X (n, d), y (n,), w (n,), models with arrays cut to these rows, folds a number or (n,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    models: dict[str, Any]
    folds: Any

    @property
    def arrays(self) -> bool:
        return any(isinstance(spec, np.ndarray) for spec in self.models.values())

    def part(self, use: np.ndarray) -> EnsembleProblem:
        models = {k: s[use] if isinstance(s, np.ndarray) else s for k, s in self.models.items()}
        folds = self.folds if isinstance(self.folds, int) else self.folds[use]
        return EnsembleProblem(self.X[use], self.y[use], self.w[use], models, folds)


def _problem(made: Design, specs: dict[str, Any], folds: Any, given: np.ndarray, levels: np.ndarray) -> EnsembleProblem:
    for name, spec in specs.items():
        if isinstance(spec, np.ndarray) and spec.shape != (made.n_total, len(given)):
            raise DataError(
                f"the predictions of '{name}' have shape {spec.shape}; give {made.n_total} rows and {len(given)} levels."
            )
    columns = positions(given, levels)
    specs = {k: s[made.rows][:, columns] if isinstance(s, np.ndarray) else s for k, s in specs.items()}
    folds = core_.folds_of_rows(folds, made, made.rows)
    # A learner's penalty counts rows, and weights may have any unit.
    x, w = made.parts[0].without_intercept().values, over_mean(made.weights)
    every = EnsembleProblem(x, made.y, w, specs, folds)
    return every.part(made.weights > 0)


def _training(rows: EnsembleProblem, calibrate: str | None, seed: int) -> np.ndarray:
    """Which rows the ensemble learns from; "cqr" sets a quarter aside."""
    use = np.ones(len(rows.y), bool)
    if calibrate == "cqr":
        use[generator(seed, 21).permutation(len(use))[: int(np.ceil(conformal.SHARE * len(use)))]] = False
    return use


def estimate(
    problem: EnsembleProblem, options: EnsembleOptions, *, tau: np.ndarray, given: np.ndarray, seed: int, progress: Any
) -> tuple[core_.EnsembleCore, Any]:
    """The ensemble on arrays and its calibration."""
    task = core_.EnsembleTask(tau, given, problem.models, options, seed)
    calibrate = options.calibrate
    use = _training(problem, calibrate, seed)
    own = problem.part(use)
    folds = core_.fold_numbers(len(own.y), own.folds, seed)
    core = core_.fit_core(own.X, own.y, own.w, folds, replace(task, models=own.models), progress)
    if calibrate == "cqr":
        aside = problem.part(~use)
        Z = np.stack(list(aside.models.values()), axis=1) if problem.arrays else None
        return core, conformal.calibrate_split(core, aside.X, aside.y, Z)
    if calibrate == "cv+":
        count = problem.folds if isinstance(problem.folds, int) else 5
        inner = lambda n: core_.fold_numbers(n, count, seed)  # noqa: E731
        return core, conformal.calibrate_cross(problem.X, problem.y, problem.w, folds, inner, task)
    return core, None


def _losses(core: core_.EnsembleCore, y: np.ndarray, w: np.ndarray) -> dict[str, float]:
    """Weighted mean pinball loss of out-of-fold predictions, of their average and of their median."""
    Z = core.out_of_fold
    assert Z is not None
    entries = {name: Z[:, j] for j, name in enumerate(core.names)}
    entries |= {"average": Z.mean(axis=1), "median": np.median(Z, axis=1)}
    return {name: float(np.average(pinball(y, q, core.tau).mean(axis=1), weights=w)) for name, q in entries.items()}


METHOD = Method(
    verb="quantile_ensemble",
    name="",
    estimate=estimate,
    options=EnsembleOptions,
    summary="quantile models combined with weights that may vary over models, levels and feature values",
    citation="Fakoor, Kim, Mueller, Smola and Tibshirani (2023)",
    arxiv="2103.00083",
    guarantee="monotone quantiles; sorting never worsens the score; conformal coverage with calibrate=",
    vignette="quantile-aggregation",
    traits={"row order": "folds and the batches of networks are drawn by the position of rows"},
)


@ENSEMBLE.document
def quantile_ensemble(
    formula: str,
    data: Any,
    *,
    models: Any = ("rq", "gaussian_network", "mqn"),
    tau: float | Sequence[float] = DECILES,
    folds: Any = 5,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> QuantileEnsemble:
    """Combine quantile models with weights learnt from their out-of-fold predictions.

    Parameters
    ----------
    formula : str
        `outcome ~ features`; the features of the base models and, with `local=True`, of the weights.
    data : data frame
    models : sequence or mapping of names to models
        Names of learners of quantiles, such as "rq", "forest", "gbm" (both need scikit-learn), "gaussian_network",
        "mqn", "requ", "gaps", "gaussian", "mdn"; objects with fit and predict, whose columns are the levels as given here; or
        arrays of out-of-sample predictions, one row per row of the data and one column per level, in the order of
        `tau` as it is given here.
    tau : sequence of float
        Levels; results have them in increasing order.
    folds : int or array of shape (rows,)
    weights : array, str or Weights, optional
        Row weights; taken as fixed.
    seed : int
    na_action : {"drop", "raise"}
    context : mapping, optional
    progress : bool, optional
    **options
        {methods}

    Returns
    -------
    QuantileEnsemble

    Raises
    ------
    FormulaError, DataError, OptionError

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> fit = si.quantile_ensemble(
    ...     "mpg ~ wt + hp", data, models=["rq"], tau=[0.25, 0.5, 0.75], local=False, resolution="coarse"
    ... )
    >>> fit.predict(data.head(1)).round(1)
       q0.25  q0.5  q0.75
    0   21.2  23.3   24.7
    """
    method, settings = ENSEMBLE.read("", options)
    given, levels = given_levels(tau), levels_of(tau)
    check_seed(seed)
    if settings.calibrate is not None:
        conformal.pairs(levels)
    specs = core_.named_models(models)
    core_.check_models(specs, levels)
    if settings.calibrate == "cv+" and any(isinstance(spec, np.ndarray) for spec in specs.values()):
        raise NotIdentifiedError("calibrate='cv+' refits the base models; with arrays of predictions use 'cqr'.")
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    made.refuse_offset("an ensemble of quantile models takes")
    check_sizes(made)
    problem = _problem(made, core_.on_rows(specs, models, made.frame), folds, given, levels)
    with reporting(progress):
        core, calibration = method.estimate(problem, settings, tau=levels, given=given, seed=seed, progress=progress)
    own = problem.part(_training(problem, settings.calibrate, seed))
    return QuantileEnsemble(
        method=method.verb,
        formula=made.recipe.formula,
        citation=method.reference,
        nobs=len(problem.y),
        tau=levels,
        models=tuple(problem.models),
        resolution=settings.resolution,
        local=settings.local,
        noncrossing=settings.noncrossing,
        calibrate=settings.calibrate,
        out_of_fold_loss=_losses(core, own.y, own.w),
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        core=core,
        calibration=calibration,
        given=given,
    )
