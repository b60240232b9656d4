"""`si.did`: difference-in-differences with treatments that start at different times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.effects.did.fit import DidFit
from statinf.effects.did.reading import DidQuestion, did_problem
from statinf.effects.table import DID
from statinf.errors import OptionError, one_of
from statinf.inference.vcov import VcovSpec


@DID.document
def did(
    formula: str,
    data: Any,
    *,
    time: str | None = None,
    id: str | None = None,
    cohort: str | None = None,
    method: str = "dr",
    control: str = "never",
    anticipation: float = 0,
    base_period: str = "varying",
    unbalanced: str = "pairs",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> DidFit:
    """Estimate effects of a treatment that starts at different times, by difference-in-differences.

    Each cohort (units first treated at one period) is compared at each period with units that are not treated, from the last
    period before treatment on; two groups and two periods are the ordinary case. Trends are taken to be parallel given the
    covariates. Effects are averaged by `aggregate`, never by a regression that uses treated units as controls.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`; covariates are read at the earlier of the two periods of a comparison. The treatment is
        0 before and 1 from the first treated period on; with `cohort=` it may be left out, `outcome ~ 1 | covariates`, or mark
        the units that are treated at some time.
    data : data frame
        One row per unit and period.
    time : str
        Column of periods, in numbers; only their order and their distance from cohorts count.
    id : str, optional
        Column of units. Without it every row is a unit of its own: repeated cross-sections.
    cohort : str, optional
        Column of first treated periods: 0, infinity or a missing value for units never treated. By default it is read off the
        treatment, which must not switch off.
    method : str
        With its own options, given by name:

        {methods}
    control : {"never", "not-yet"}
        Compare with units never treated, or with all that are not yet treated. Where nobody is never treated, the last cohort is
        what others are compared with, before it is treated.
    anticipation : float
        Periods before treatment at which there may be an effect already.
    base_period : {"varying", "universal"}
        Compare periods before treatment with the one before them, or, as later ones, with the last one before treatment.
    unbalanced : {"pairs", "complete", "rows"}
        Of units not seen at every period: use them in comparisons of periods at which they are seen, leave them out, or compare
        rows of either period as if they were repeated cross-sections, with errors of units.
    vcov : str or mapping, optional
        "HC0", of units, by default; `{"cluster": "column"}` for groups of units.
    weights : array of shape (rows,) or str, optional
        Sampling weights; where a unit's change over time, those of the earlier period of a comparison count.
    cluster : str or sequence of str, optional
        Columns of groups of units, for standard errors and bands.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    **options
        Of the method.

    Returns
    -------
    DidFit
        One coefficient per cohort and period; `aggregate`, `pretrends`, `group_time` (uniform bands) and `plot` (event study).

    Raises
    ------
    DataError
        If a unit has two rows of one period, its cohort changes, or the treatment switches off.
    NotIdentifiedError
        If no comparison can be made.
    OptionError
        If an option cannot be used.

    References
    ----------
    Callaway and Sant'Anna (2021), arXiv 1803.09015; Sant'Anna and Zhao (2020), arXiv 1812.01723.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mpdta")
    >>> fit = si.did("lemp ~ 1 | lpop", data, id="countyreal", time="year", cohort="first_treat")
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(4).head(4)
                  term  estimate  std_error
    0  ATT(2004, 2004)   -0.0145     0.0221
    1  ATT(2004, 2005)   -0.0764     0.0287
    2  ATT(2004, 2006)   -0.1404     0.0354
    3  ATT(2004, 2007)   -0.1069     0.0329
    >>> fit.aggregate("simple").tidy()[["term", "estimate", "std_error"]].round(4)
          term  estimate  std_error
    0  overall   -0.0418     0.0115
    """
    chosen, settings = DID.read(method, options)
    one_of("control", control, ("never", "not-yet"))
    one_of("base_period", base_period, ("varying", "universal"))
    one_of("unbalanced", unbalanced, ("pairs", "complete", "rows"))
    asked = DidQuestion(
        id=_optional("id", id),
        time=_column("time", time),
        cohort=_optional("cohort", cohort),
        control=control,
        base_period=base_period,
        unbalanced=unbalanced,
        anticipation=_periods(anticipation),
    )
    spec = VcovSpec.read(vcov, cluster, DidFit.vcov_kinds)
    if hasattr(weights, "used") and hasattr(weights, "values") and not hasattr(weights, "iloc"):
        raise OptionError("weights= takes sampling weights as an array or a column name here, not estimated ones.")
    if cluster is not None and not isinstance(cluster, str | list | tuple):
        raise OptionError("cluster= is the name of a column, or several in a list; put the groups into the data.")
    problem = did_problem(
        formula, data, asked, weights=weights, spec=spec, na_action=na_action, context=context
    )  # fmt: skip
    return DidFit.of(problem.design, chosen.estimate(problem, settings), spec, method=chosen)


def _column(option: str, name: Any) -> str:
    if isinstance(name, str):
        return name
    if name is None:
        raise OptionError(f"{option}= is missing: give the name of the column of periods, as in time='year'.")
    raise OptionError(f"{option}={name!r} is not the name of a column.")


def _optional(option: str, name: Any) -> str | None:
    return None if name is None else _column(option, name)


def _periods(anticipation: Any) -> float:
    number = isinstance(anticipation, int | float | np.integer | np.floating) and not isinstance(anticipation, bool)
    if not number or not 0 <= anticipation < np.inf:
        raise OptionError(f"anticipation={anticipation!r} is not a number of periods of at least 0.")
    return float(anticipation)
