"""Ensembles of quantile models whose weights may vary over models, levels and feature values.

Fakoor, Kim, Mueller, Smola and Tibshirani (2023), Flexible model aggregation for quantile regression, Journal of
Machine Learning Research 24, arXiv 2103.00083. The estimand is the conditional quantile at each level; rows are
independent and identically distributed, which calibration weakens to exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, NotIdentifiedError, OptionError, one_of
from statinf.formula.design import design
from statinf.formula.recipe import Recipe
from statinf.numerics.monotone import KINDS as MONOTONE
from statinf.quantile import ensemble_core as core_
from statinf.quantile.aggregation import MARGINS
from statinf.quantile.networks import RESOLUTIONS
from statinf.quantile.rq import levels_of
from statinf.quantile.scores import QuantileScores, pinball, score_quantiles
from statinf.results import Result, Table, to_caller

CITATION = "Fakoor, Kim, Mueller, Smola and Tibshirani (2023), arXiv 2103.00083"
DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileEnsemble(Result):
    """A fitted ensemble of quantile models.

    Attributes
    ----------
    tau : ndarray, shape (m,)
    models : tuple of str
        Names of the base models.
    resolution : {"coarse", "medium", "fine"}
    local : bool
    noncrossing, calibrate : str or None
    out_of_fold_loss : dict of str to float
        Mean pinball loss of each base model's out-of-fold predictions, of their average and their median.
    recipe : Recipe
    kind : str
        Kind of data frame that predictions of the fit's own rows come back in.
    dropped : mapping of str to int
    """

    offers: ClassVar[str] = "predict(), score(), compare(), weights() and plot()"

    tau: np.ndarray
    models: tuple[str, ...]
    resolution: str
    local: bool
    noncrossing: str | None
    calibrate: str | None
    out_of_fold_loss: dict[str, float]
    recipe: Recipe
    kind: str
    dropped: Mapping[str, int]
    core: Any = field(metadata={"saved": False})
    calibration: Any = field(default=None, metadata={"saved": False})

    def _rows(
        self, newdata: Any, predictions: Any, response: bool = False
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        if self.core is None:
            raise DataError("a saved ensemble leaves its base models out; fit it again to predict.")
        rows = self.recipe.new_rows(newdata, response=response)
        X = rows.parts["covariates"].without_intercept().values
        Z = None
        if predictions is not None:
            Z = np.stack([np.asarray(predictions[name], float) for name in self.models], axis=1)
        return rows, X, Z

    def _predicted(self, X: np.ndarray, ok: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        out = np.full((len(X), len(self.tau)), np.nan)
        some = None if Z is None else Z[ok]
        if ok.any():
            plain = self.calibration is None
            out[ok] = self.core.predict(X[ok], some) if plain else self.calibration(self.core, X[ok], some)
        return out

    def predict(self, newdata: Any, *, predictions: Mapping[str, Any] | None = None) -> Any:
        """Conditional quantiles, one row out per row in, one column a level named "q0.1".

        Parameters
        ----------
        newdata : data frame
        predictions : mapping of str to array of shape (rows, m), optional
            Base predictions for these rows, where the ensemble was made from arrays.
        """
        import pandas as pd

        rows, X, Z = self._rows(newdata, predictions)
        q = self._predicted(X, rows.ok, Z)
        return to_caller(pd.DataFrame({f"q{t:g}": q[:, k] for k, t in enumerate(self.tau)}), rows.kind)

    @property
    def out_of_fold(self) -> dict[str, np.ndarray]:
        """Out-of-fold quantiles (n, m) of each base model, on the rows that the weights were learnt from."""
        return {name: self.core.out_of_fold[:, j] for j, name in enumerate(self.models)}

    def base_predictions(self, newdata: Any) -> dict[str, np.ndarray]:
        """Quantiles (rows, m) of each base model, refitted on all rows; NaN for rows that cannot be predicted."""
        rows, X, _ = self._rows(newdata, None)
        Z = np.full((len(X), len(self.models), len(self.tau)), np.nan)
        Z[rows.ok] = self.core.base(X[rows.ok])
        return {name: Z[:, j] for j, name in enumerate(self.models)}

    def weights(self, newdata: Any) -> np.ndarray:
        """Aggregation weights of rows, shape (n, J), (n, J, m) or (n, J, m, m) with the output level last."""
        _, X, _ = self._rows(newdata, None)
        return self.core.aggregator.at((X - self.core.centre) / self.core.spread, len(self.models))

    def score(self, newdata: Any, *, predictions: Mapping[str, Any] | None = None) -> QuantileScores:
        """Scores of the ensemble's quantiles on rows with recorded outcomes."""
        rows, X, Z = self._rows(newdata, predictions, response=True)
        assert rows.response is not None
        return score_quantiles(rows.response, self._predicted(X, rows.ok, Z), self.tau, kind=rows.kind)

    def compare(self, newdata: Any, *, predictions: Mapping[str, Any] | None = None) -> Any:
        """Base models, their average and median, and the ensemble, scored on rows with recorded outcomes.

        Returns
        -------
        data frame
            Columns model, pinball, wis, miscoverage (mean distance of the coverage of quantiles from their level) and
            crossing (share of neighbouring pairs of levels in the wrong order).
        """
        import pandas as pd

        rows, X, Z = self._rows(newdata, predictions, response=True)
        assert rows.response is not None
        ok = rows.ok & np.isfinite(rows.response)
        y, X = rows.response[ok], X[ok]
        Z = self.core.base(X) if Z is None else Z[ok]
        entries = {name: Z[:, j] for j, name in enumerate(self.models)}
        entries |= {"average": Z.mean(axis=1), "median": np.median(Z, axis=1)}
        entries["ensemble, unordered"] = self.core.aggregate(X, Z)
        entries["ensemble"] = self.core.predict(X, Z)
        if self.calibration is not None:
            entries["ensemble, calibrated"] = self.calibration(
                self.core, X, Z if self.core.predictors is None else None
            )
        scores = {name: score_quantiles(y, q, self.tau) for name, q in entries.items()}
        frame = pd.DataFrame(
            {
                "model": list(scores),
                "pinball": [s.pinball.mean() for s in scores.values()],
                "wis": [s.wis for s in scores.values()],
                "miscoverage": [np.abs(s.coverage - self.tau).mean() for s in scores.values()],
                "crossing": [s.crossing for s in scores.values()],
            }
        )
        return to_caller(frame, rows.kind)

    def summary(self) -> Table:
        best = min(self.out_of_fold_loss, key=self.out_of_fold_loss.__getitem__)
        rows = [(name, loss, loss / self.out_of_fold_loss[best]) for name, loss in self.out_of_fold_loss.items()]
        facts = (
            ("Formula", self.formula),
            ("Rows", str(self.nobs)),
            ("Levels", str(len(self.tau))),
            ("Weights", f"{'local' if self.local else 'global'}, {self.resolution}"),
            ("Monotone", self.noncrossing or "not enforced"),
            ("Calibration", self.calibrate or "none"),
        )
        notes = (
            "Out-of-fold losses; score the ensemble itself on new rows: fit.compare(newdata).",
            f"Method: {CITATION}.",
        )
        return Table.of(
            ("model", "pinball loss", "over the best"), rows, title="Quantile ensemble", facts=facts, notes=notes
        )

    def plot(self, newdata: Any = None, **options: Any) -> Any:
        """Calibration of the ensemble's quantiles on rows with recorded outcomes."""
        if newdata is None:
            raise OptionError("plot(newdata) shows calibration on rows that the ensemble has not seen; give them.")
        return self.score(newdata).plot(**options)

    @property
    def std_errors(self) -> Any:
        raise self._no_standard_errors("standard errors")

    def conf_int(self, level: float = 0.95) -> Any:
        raise self._no_standard_errors("confidence intervals")


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
        arrays of out-of-sample predictions, one row a row of the data and one column a level.
    tau : sequence of float
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
    levels = levels_of(tau)
    check_seed(seed)
    one_of("resolution", resolution, RESOLUTIONS)
    one_of("margin", margin, MARGINS)
    if noncrossing is not None:
        one_of("noncrossing", noncrossing, MONOTONE)
    if calibrate is not None:
        one_of("calibrate", calibrate, ("cqr", "cv+"))
        core_.pairs(levels)
    solver = one_of("solver", solver or ("sgd" if local else "lp"), ("lp", "sgd"))
    if local and solver == "lp":
        raise OptionError("solver='lp' is for constant weights; use local=False, or leave solver out.")
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    positive = made.weights > 0
    X, y, w = made.parts[0].without_intercept().values[positive], made.y[positive], made.weights[positive]
    specs = core_.named_models(models)
    for name, spec in specs.items():
        if isinstance(spec, np.ndarray):
            if spec.shape != (made.n_total, len(levels)):
                raise DataError(
                    f"the predictions of '{name}' have shape {spec.shape}; give {made.n_total} rows and {len(levels)} levels."
                )
            specs[name] = spec[made.rows][positive]
    arrays = any(isinstance(s, np.ndarray) for s in specs.values())
    options = core_.Options(levels, specs, resolution, local, solver, penalty, margin, noncrossing, seed)
    numbers = folds if isinstance(folds, int) else np.asarray(folds)[made.rows][positive]
    calibration = None
    use = np.ones(len(y), bool)
    if calibrate == "cqr":
        aside = generator(seed, 21).permutation(len(y))[: int(np.ceil(core_.CALIBRATION_SHARE * len(y)))]
        use[aside] = False
    if calibrate == "cv+" and arrays:
        raise NotIdentifiedError("calibrate='cv+' refits the base models; with arrays of predictions use 'cqr'.")
    own = core_.fold_numbers(int(use.sum()), numbers if isinstance(numbers, int) else numbers[use], seed)
    own_specs = {k: s[use] if isinstance(s, np.ndarray) else s for k, s in specs.items()}
    core = core_.fit_core(X[use], y[use], w[use], own, _with(options, own_specs), progress)
    if calibrate == "cqr":
        Z = np.stack([s[~use] for s in specs.values()], axis=1) if arrays else None
        calibration = core_.calibrate_split(core, X[~use], y[~use], Z)
    elif calibrate == "cv+":
        count = 5 if not isinstance(numbers, int) else numbers
        calibration = core_.calibrate_cross(X, y, w, own, lambda n: core_.fold_numbers(n, count, seed), options)
    Z, outcome = core.out_of_fold, y[use]
    losses = {name: float(pinball(outcome, Z[:, j], levels).mean()) for j, name in enumerate(specs)}
    losses["average"] = float(pinball(outcome, Z.mean(axis=1), levels).mean())
    losses["median"] = float(pinball(outcome, np.median(Z, axis=1), levels).mean())
    return QuantileEnsemble(
        method="quantile_ensemble",
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=len(y),
        tau=levels,
        models=tuple(specs),
        resolution=resolution,
        local=local,
        noncrossing=noncrossing,
        calibrate=calibrate,
        out_of_fold_loss=losses,
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        core=core,
        calibration=calibration,
    )


def _with(options: core_.Options, models: Mapping[str, Any]) -> core_.Options:
    from dataclasses import replace

    return replace(options, models=models)
