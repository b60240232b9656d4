"""`si.veracity`: which recorded outcomes are likely wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.conformity.labelled import row_labels
from statinf.conformity.table import VERACITY
from statinf.conformity.veracity.detector import Parts
from statinf.conformity.veracity.method import VeracityProblem, VeracityScores
from statinf.conformity.veracity.result import Veracity
from statinf.errors import DataError, OptionError
from statinf.formula import Design, design
from statinf.formula.given import aligned
from statinf.formula.scale import check_sizes


@VERACITY.document
def veracity(
    formula: str,
    data: Any,
    *,
    model: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Veracity:
    """Score recorded outcomes by how little a model can explain them, and flag those that are likely wrong.

    Each outcome is compared with what models fitted without its row expect there, in units of how unsure they are and of how
    much outcomes vary there. The veracity is exp(-score): near one for a number that fits, near zero for one that does not.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`.
    data : data frame
        pandas, polars, pyarrow, duckdb, or a dict of columns.
    model : str or object, optional
        A learner's name, a learner from `statinf.learners`, or any scikit-learn estimator; by default least squares. It is
        fitted some 25 times per fold; `replicas=` takes most of them.
    seed : int
        Of folds, subsamples and the model's random numbers. The order of rows does not matter: what is drawn goes by contents.
    na_action : {"drop", "raise"}
        Rows with missing values are left out: a missing outcome is no error.
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.
    **options
        {methods}

    Returns
    -------
    Veracity
        `flagged`, `tidy`, `refit`, `test`, `predict`, `plot`, `summary`.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used: rows fewer than twice the folds, a constant outcome.
    OptionError
        If an option is unknown or out of range.

    References
    ----------
    Zhou, Mueller, Kumar, Wang and Lei (2024), Journal of Data-centric Machine Learning Research, arXiv 2305.16583.

    Examples
    --------
    >>> import statinf as si
    >>> cars = si.datasets.load("mtcars")
    >>> cars.loc[5, "mpg"] = 81.0                                 # 18.1, typed the wrong way round
    >>> found = si.veracity("mpg ~ wt + hp", cars)
    >>> found.tidy().loc[found.flagged, ["given", "predicted", "score"]].round(1)
       given  predicted  score
    5   81.0       20.6   20.1
    """
    method, settings = VERACITY.read("", options)
    check_seed(seed)
    d = design(formula, data, roles=("covariates",), na_action=na_action, context=context)
    if d.offset is not None:
        raise OptionError("veracity scores take no offset(); subtract it from the outcome.")
    check_sizes(d)
    part = d.part("covariates")
    if part is None:
        raise DataError("the formula has no right-hand side.")
    X = np.ascontiguousarray(part.without_intercept().values)
    order = np.lexsort((d.y, *X.T[::-1]))
    ordered = d.y[order]
    spread = float(np.std(ordered))
    # In units of the outcome's own spread, which no square overflows and no penalty depends on.
    centre, unit = float(ordered.mean()), spread if spread > 0.0 else 1.0
    labels = None if isinstance(settings.folds, int) else _labels(settings.folds, d)[order]
    with reporting(progress):
        found: VeracityScores = method.estimate(
            VeracityProblem(X[order], (ordered - centre) / unit, model, seed, progress, labels), settings
        )
    back = np.argsort(order)
    parts = found.parts
    scored = replace(
        found,
        parts=Parts(parts.predicted[back], parts.epistemic[back], parts.aleatoric[back]),
        score=found.score[back],
        flagged=found.flagged[back],
    )
    return Veracity(
        method="veracity",
        formula=formula,
        citation=method.reference,
        nobs=d.n,
        kind=d.kind,
        dropped=dict(d.dropped),
        recipe=d.recipe,
        scored=scored,
        given=d.y,
        centre=centre,
        unit=unit,
        rows=d.rows,
        n_total=d.n_total,
        index=d.frame.index,
        labels=row_labels(d.frame.index),
        model="lm" if model is None else model if isinstance(model, str) else type(model).__name__,
        data=data if d.frame.unread else d.frame,
        seed=seed,
    )


def _labels(folds: Any, d: Design) -> np.ndarray:
    """The folds (n,) of the rows used, from one label per row of the data.

    Raises
    ------
    OptionError
        If there are not as many as rows.
    """
    given = np.asarray(aligned(folds, d.frame, "folds"))
    if given.shape != (d.n_total,):
        raise OptionError(f"folds has shape {given.shape}; one label per row of the data, ({d.n_total},), is needed.")
    return given[d.rows]
