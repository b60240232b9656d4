"""`si.visits`: regressions of outcomes that are seen at informative visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects.table import VISITS
from statinf.effects.visits.fit import VisitsFit
from statinf.effects.visits.method import VisitProblem, visit_weights
from statinf.effects.visits.options import check_formula
from statinf.effects.visits.spells import check_past, lagged_columns, make_spells, warn_varying
from statinf.errors import OptionError
from statinf.formula import as_frame
from statinf.formula.design import Design
from statinf.formula.scan import halves
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common


@VISITS.document
def visits(
    formula: str,
    data: Any,
    *,
    visits: str,
    id: str,
    time: str,
    end: Any = None,
    vcov: Any = None,
    weights: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> VisitsFit:
    """Fit a regression to outcomes that were seen at irregular visits which came when the past called for them.

    Sicker patients are seen more often, so that the mean of what was seen is not the mean of what was there. Each outcome is
    weighted by the inverse of the intensity of its visit, given what was recorded before it.

    Parameters
    ----------
    formula : str
        `outcome ~ terms` of the regression that would be fitted if everybody were seen all the time. Unless `stabilize=` is
        given, terms in time should be flexible: weights leave the visits' own baseline rate over time in.
    data : data frame
        One row per visit.
    visits : str
        `~ terms` of the intensity of visits, as known before each: `lag(x)` is the last value of x recorded at an earlier visit of
        the same unit; other columns ought not to change at the visit.
    id, time : str
        Columns of units, and of the times of visits, in numbers.
    end : float or str, optional
        End of follow-up: a number, or a column; by default the last time of all.
    vcov : str or mapping, optional
        `{"cluster": id}` by default; "HC0", "HC1", "fixed" (weights taken as known), or `{"cluster": "column"}`.
    weights : array of shape (rows,) or str, optional
        Sampling weights.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formulas use by name.
    **options
        {methods}

    Returns
    -------
    VisitsFit
        A generalised linear model; `intensity` holds the log hazard ratios of visits, `weights` the visits' weights.

    Raises
    ------
    FormulaError
        If the visits depend on the outcome of the visit itself.
    DataError
        If a unit has two rows of one time or a visit after its end, or the data cannot be used.
    ConvergenceError
        If a column tells without error who is visited.
    OptionError
        If an option cannot be used.

    References
    ----------
    Prentice and Gloeckler (1978), Biometrics 34; Lin, Scharfstein and Rosenheck (2004), JRSS B 66; Buzkova and Lumley
    (2007), Canadian Journal of Statistics 35; Vanderschueren et al. (2023), arXiv 2306.04255.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("wage_panel")
    >>> before = data.groupby("nr")["lwage"].shift(1)
    >>> data = data[before.isna() | (before > 1.4) | ((data["nr"] + data["year"]) % 3 > 0)]  # low wages, fewer visits
    >>> fit = si.visits("lwage ~ educ + year", data, visits="~ lag(lwage) + educ", id="nr", time="year", end=1987)
    >>> fit.intensity.params.round(3).to_dict()
    {'lag(lwage)': 0.552, 'educ': 0.012}
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4)
            term  estimate  std_error
    0  Intercept -111.0854     7.2918
    1       educ    0.0711     0.0089
    2       year    0.0564     0.0037
    """
    method, settings = VISITS.read("", options)
    visits = check_formula("visits", visits)
    frame = as_frame(data)
    if hasattr(weights, "used") and hasattr(weights, "values"):
        raise OptionError("weights= takes sampling weights as an array or a column name here, not estimated ones.")
    text, lags = lagged_columns(visits)
    plain, more = (None, ()) if settings.stabilize is None else lagged_columns(settings.stabilize)
    outcome = halves(formula)[0]
    for option, given in (("visits", visits), ("stabilize", settings.stabilize)):
        if given is not None:
            check_past(given, outcome, f"{option}=")
    spec = VcovSpec.read({"cluster": id} if vcov is None else vcov, None, VisitsFit.vcov_kinds, stacked=True)
    how = {"na_action": na_action, "context": context}
    # What counts as a visit is that the outcome, and what it is regressed on, were recorded.
    seen = common.regression_design(formula, frame, weights=weights, vcov=spec, cluster=id, **how)
    sampling = np.zeros(frame.n)
    sampling[seen.rows] = seen.weights
    spells = make_spells(
        frame,
        sampling > 0,
        tuple(dict.fromkeys((*lags, *more))),
        unit=id,
        time=time,
        end=end,
        first=settings.first,
    )
    problem = VisitProblem(frame, spells, sampling, text, plain, id, time, context, seen.identity)
    made, intensity = visit_weights(problem, settings)
    assert intensity.recipe is not None
    warn_varying(spells, tuple(intensity.recipe.columns), id, time)
    rows = common.regression_design(formula, frame, weights=made, vcov=spec, cluster=id, **how)
    rows = replace(rows, dropped={**seen.dropped, **_without_past(seen, rows)})
    found = method.estimate(rows, settings)
    found = replace(found, extra={**found.extra, "unit": id, "intensity": intensity, "weights": made})
    return VisitsFit.of(rows, found, spec, method=method)


def _without_past(seen: Design, rows: Design) -> dict[str, int]:
    """Visits whose past was not recorded, by cause."""
    lost = int(np.count_nonzero(seen.weights)) - int(np.count_nonzero(rows.weights))
    return {"past not recorded": lost} if lost else {}
