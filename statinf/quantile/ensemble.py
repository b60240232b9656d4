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

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, NotIdentifiedError, OptionError, one_of
from statinf.formula.design import Design, design
from statinf.numerics.order.monotone import KINDS as MONOTONE
from statinf.quantile import ensemble_calibration as conformal
from statinf.quantile import ensemble_core as core_
from statinf.quantile.aggregation import MARGINS
from statinf.quantile.ensemble_result import QuantileEnsemble
from statinf.quantile.levels import given_levels, levels_of, positions
from statinf.quantile.networks import RESOLUTIONS
from statinf.quantile.scores import pinball

CITATION = "Fakoor, Kim, Mueller, Smola and Tibshirani (2023), arXiv 2103.00083"
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def quantile_ensemble(
    formula: str,
    data: Any,
    *,
    models: Any = ("rq", "gaussian", "mqn"),
    tau: float | Sequence[float] = DECILES,
    resolution: str = "fine",
    local: bool = True,
    noncrossing: str | None = "sort",
    calibrate: str | None = None,
    solver: str | None = None,
    penalty: float = 1.0,
    margin: str = "adapt",
    folds: Any = 5,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> QuantileEnsemble:
    """Combine quantile models with weights learnt from their out-of-fold predictions.

    Parameters
    ----------
    formula : str
        `outcome ~ features`; the features of the base models and, with `local=True`, of the weights.
    data : data frame
    models : sequence or mapping of names to models
        Names "rq", "forest", "gbm" (both need scikit-learn), "gaussian", "mqn"; objects with fit and predict; or
        arrays of out-of-sample predictions, one row per row of the data and one column per level, in the order of
        `tau` as it is given here.
    tau : sequence of float
        Levels; results have them in increasing order.
    resolution : {"coarse", "medium", "fine"}
        One weight a model; a model and level; or a model, its level and the output's level.
    local : bool
        Weights that vary with the features, as the output of a network; otherwise constant.
    noncrossing : {"sort", "isotonic", "sweep", None}
        How predictions are made nondecreasing in the level. Sorting and isotonic projection never increase the
        weighted interval score.
    calibrate : {None, "cqr", "cv+"}
        Conformal calibration of the intervals between levels t and 1 - t: on a quarter of the rows set aside
        ("cqr", coverage at least 1 - 2t), or by refitting the whole ensemble without each fold ("cv+", coverage at
        least 1 - 4t - sqrt(2 / n), about 1 - 2t in practice).
    solver : {"lp", "sgd"}, optional
        Of constant weights: exact linear programme (the default), or stochastic gradients with the crossing penalty.
    penalty : float
        Of crossing in trained weights.
    margin : {"adapt", "none"}
        Whether the penalty asks levels to keep a distance, a hundredth of that of the residuals' quantiles.
    folds : int or array of shape (rows,)
    weights : array, str or Weights, optional
        Row weights; taken as fixed.
    seed : int
    na_action : {"drop", "raise"}
    context : mapping, optional
    progress : bool, optional

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
    given, levels = given_levels(tau), levels_of(tau)
    _check_options(levels, seed, resolution, margin, noncrossing, calibrate)
    solver = one_of("solver", solver or ("sgd" if local else "lp"), ("lp", "sgd"))
    if local and solver == "lp":
        raise OptionError("solver='lp' is for constant weights; use local=False, or leave solver out.")
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    rows = _rows(made, models, folds, given, levels)
    options = core_.Options(levels, given, rows.models, resolution, local, solver, penalty, margin, noncrossing, seed)
    core, calibration = _fit(rows, options, calibrate, progress)
    return QuantileEnsemble(
        method="quantile_ensemble",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=len(rows.y),
        tau=levels,
        models=tuple(rows.models),
        resolution=resolution,
        local=local,
        noncrossing=noncrossing,
        calibrate=calibrate,
        out_of_fold_loss=_losses(core, rows.y[_training(rows, calibrate, seed)]),
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        core=core,
        calibration=calibration,
        given=given,
    )


@dataclass(frozen=True)
class _Rows:
    """Rows of positive weight: X (n, d), y (n,), w (n,), models with arrays cut to these rows, folds a number or (n,)."""

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    models: dict[str, Any]
    folds: Any

    @property
    def arrays(self) -> bool:
        return any(isinstance(spec, np.ndarray) for spec in self.models.values())

    def part(self, use: np.ndarray) -> _Rows:
        models = {k: s[use] if isinstance(s, np.ndarray) else s for k, s in self.models.items()}
        folds = self.folds if isinstance(self.folds, int) else self.folds[use]
        return _Rows(self.X[use], self.y[use], self.w[use], models, folds)


def _check_options(
    levels: np.ndarray, seed: int, resolution: str, margin: str, noncrossing: str | None, calibrate: str | None
) -> None:
    check_seed(seed)
    one_of("resolution", resolution, RESOLUTIONS)
    one_of("margin", margin, MARGINS)
    if noncrossing is not None:
        one_of("noncrossing", noncrossing, MONOTONE)
    if calibrate is not None:
        one_of("calibrate", calibrate, ("cqr", "cv+"))
        conformal.pairs(levels)


def _rows(made: Design, models: Any, folds: Any, given: np.ndarray, levels: np.ndarray) -> _Rows:
    specs = core_.named_models(models)
    for name, spec in specs.items():
        if isinstance(spec, np.ndarray) and spec.shape != (made.n_total, len(given)):
            raise DataError(
                f"the predictions of '{name}' have shape {spec.shape}; give {made.n_total} rows and {len(given)} levels."
            )
    columns = positions(given, levels)
    specs = {k: s[made.rows][:, columns] if isinstance(s, np.ndarray) else s for k, s in specs.items()}
    folds = core_.folds_of_rows(folds, made, made.rows)
    every = _Rows(made.parts[0].without_intercept().values, made.y, made.weights, specs, folds)
    return every.part(made.weights > 0)


def _training(rows: _Rows, calibrate: str | None, seed: int) -> np.ndarray:
    """Which rows the ensemble learns from; "cqr" sets a quarter aside."""
    use = np.ones(len(rows.y), bool)
    if calibrate == "cqr":
        use[generator(seed, 21).permutation(len(use))[: int(np.ceil(conformal.SHARE * len(use)))]] = False
    return use


def _fit(rows: _Rows, options: core_.Options, calibrate: str | None, progress: bool | None) -> tuple[core_.Core, Any]:
    """The ensemble on arrays and its calibration."""
    if calibrate == "cv+" and rows.arrays:
        raise NotIdentifiedError("calibrate='cv+' refits the base models; with arrays of predictions use 'cqr'.")
    use = _training(rows, calibrate, options.seed)
    own = rows.part(use)
    folds = core_.fold_numbers(len(own.y), own.folds, options.seed)
    core = core_.fit_core(own.X, own.y, own.w, folds, replace(options, models=own.models), progress)
    if calibrate == "cqr":
        aside = rows.part(~use)
        Z = np.stack(list(aside.models.values()), axis=1) if rows.arrays else None
        return core, conformal.calibrate_split(core, aside.X, aside.y, Z)
    if calibrate == "cv+":
        count = rows.folds if isinstance(rows.folds, int) else 5
        inner = lambda n: core_.fold_numbers(n, count, options.seed)  # noqa: E731
        return core, conformal.calibrate_cross(rows.X, rows.y, rows.w, folds, inner, options)
    return core, None


def _losses(core: core_.Core, y: np.ndarray) -> dict[str, float]:
    """Mean pinball loss of out-of-fold predictions, of their average and of their median."""
    Z = core.out_of_fold
    assert Z is not None
    entries = {name: Z[:, j] for j, name in enumerate(core.names)}
    entries |= {"average": Z.mean(axis=1), "median": np.median(Z, axis=1)}
    return {name: float(pinball(y, q, core.tau).mean()) for name, q in entries.items()}
