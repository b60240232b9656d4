"""A survey for trainees: what they would have earned without the programme."""

from __future__ import annotations

import warnings
from typing import Any

import statinf as si
from statinf.errors import NumericalWarning
from statinf.results import DemoSection, Table, format_number

COLUMNS = "age + educ + C(race) + married + nodegree + re74 + re75"
CODE = f"""\
x = "{COLUMNS}"
people = si.datasets.load("lalonde")
survey, trainees = people[people["treat"] == 0], people[people["treat"] == 1]
si.shift_test(f"~ {{x}}", survey, trainees, tests=("classifier", "columns"))
w = si.density_ratio(f"~ {{x}}", survey, trainees, method="moment")
fit = si.shift(f"re78 ~ {{x}}", survey, trainees, ratio=w)
fit.specification_test()
si.target_mean(f"re78 ~ {{x}}", survey, trainees, ratio=w)"""


def section() -> DemoSection:
    """Which columns moved, the regression and whether it holds for the target, and three estimates of the trainees' mean."""
    people = si.datasets.load("lalonde")
    survey, trainees = people[people["treat"] == 0], people[people["treat"] == 1]
    tested = si.shift_test(f"~ {COLUMNS}", survey, trainees, tests=("classifier", "columns"), permutations=199)
    w = si.density_ratio(f"~ {COLUMNS}", survey, trainees, method="moment")
    fit = si.shift(f"re78 ~ {COLUMNS}", survey, trainees, ratio=w)
    rows = []
    for method in ("gcomp", "ipw", "aipw"):
        options: dict[str, Any] = {} if method == "gcomp" else {"ratio": w}
        with warnings.catch_warnings():
            # The note below the table says it for all three.
            warnings.simplefilter("ignore", NumericalWarning)
            found = si.target_mean(f"re78 ~ {COLUMNS}", survey, trainees, method=method, **options)
        low, high = found.conf_int().loc["mean"]
        rows.append((method, found.theta[0], found.std_errors.iloc[0], f"[{low:.0f}, {high:.0f}]"))
    test = fit.specification_test()
    means = Table.of(
        ("estimator", "mean earnings 1978", "std. error", "95% interval"),
        rows,
        title="Trainees' mean earnings without the programme",
        notes=(
            f"Unweighted mean of the survey: {format_number(float(survey['re78'].mean()))}.",
            f"The weighted rows count as {w.ess:.0f} of {len(survey)}: few carry the weight, and intervals are too narrow.",
            f"Does the regression hold for trainees? {test}.",
        ),
    )
    return DemoSection(
        title="Regression under shift: a survey for trainees",
        intro=(
            "Earnings are known in a survey, wanted for the trainees of the National Supported Work programme (LaLonde 1986). "
            "Weights that match the trainees' means say whether the survey's regression holds for them, and carry its mean over; "
            "standard errors count both samples."
        ),
        code=CODE,
        tables=(tested.summary(), fit.summary(), means),
        figures=(
            ("Which columns moved.", lambda: tested.plot()),
            ("Balance before and after weighting.", lambda: w.plot()),
        ),
    )
