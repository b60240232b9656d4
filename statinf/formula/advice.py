"""Functions that other languages and packages call in formulas, with the spelling that does here what they do."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SMOOTH = "write ns(x, df=3) for a natural cubic spline, or bs(x, df=5) for a B-spline"
_LAGGED = (
    "make the lagged or differenced column in the data first, within each unit: "
    "data['x_lag'] = data.sort_values('time').groupby('unit')['x'].shift(1)"
)
_CELLS = "write interaction(g, h), or g:h for one column per pair of levels"
_GROUPS = "write C(g) for one coefficient per level, and give cluster='g' for standard errors by group"
_RUNNING = "it depends on the order of the rows; make the column in the data first"
_TEXT = "make the column in the data first, as with data['g'].str.len() or data['g'].str[:3]"
_DATES = "make the column in the data first, as with data['date'].dt.year"
ADVICE: Mapping[str, str] = {
    "s": f"{_SMOOTH}; a penalised spline s(x) stands in the second part of si.heterogeneous_shift",
    **dict.fromkeys(("rcs", "te", "ti", "t2", "lo", "smooth_spline", "pspline", "loess", "sm"), _SMOOTH),
    **dict.fromkeys(("lag", "lead", "diff", "shift", "L", "D"), _LAGGED),
    **{name: f"for a lag, {_LAGGED}; a function of your own goes in context={{'{name}': {name}}}" for name in "lfd"},
    "mean": "write center(x) for x minus its mean, which is remembered for new rows",
    **dict.fromkeys(("sd", "std", "var"), "write scale(x) for x in standard deviations from its mean"),
    **dict.fromkeys(("median", "quantile"), "it may stand in knots= and breaks=, as in cut(x, quantile(x))"),
    **dict.fromkeys(("fe", "fixed", "category", "categorical", "dummy"), "write C(g)"),
    **dict.fromkeys(("cluster", "strata", "random", "re", "Error"), _GROUPS),
    **dict.fromkeys(("square", "power", "pow"), "write I(x^2)"),
    **dict.fromkeys(("min", "max"), "write pmin(x, z) or pmax(x, z)"),
    **dict.fromkeys(("paste", "paste0"), _CELLS),
    **dict.fromkeys(("cumsum", "cumprod", "rank", "rev", "order", "sort", "ave"), _RUNNING),
    **dict.fromkeys(
        ("nchar", "substr", "substring", "grepl", "toupper", "tolower", "gsub", "sub", "startsWith"), _TEXT
    ),
    **dict.fromkeys(("weekdays", "months", "year", "month", "day", "as_Date", "format"), _DATES),
    **dict.fromkeys(("case_when", "switch", "recode"), "write ifelse(x > 1, 'a', ifelse(x > 0, 'b', 'c'))"),
    "cbind": "cbind() stands on the left of '~'; write the covariates as a sum, or poly(x, z, degree=2)",
    "is_null": "write is.na(x)",
    "isnull": "write is.na(x)",
    "droplevels": "levels that no row has are left out in any case; write the column alone",
    "isTRUE": "write the column alone, or I(b == TRUE)",
}


def written(name: str) -> str:
    """The name of a function as its language writes it."""
    return re.sub(r"^(as|is)_", r"\1.", name)
