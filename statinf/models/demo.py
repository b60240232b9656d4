"""The plain regressions on the National Supported Work data."""

from __future__ import annotations

import statinf as si
from statinf.results import DemoSection

CODE = """\
data = si.datasets.load("lalonde")
x = "age + educ + C(race) + married + nodegree + re74 + re75"
w = si.balance(f"treat ~ {x}", data, estimand="ATT")
naive = si.lm("re78 ~ treat", data)
adjusted = si.lm(f"re78 ~ treat + {x}", data)
weighted = si.lm("re78 ~ treat", data, weights=w)
si.table(naive, adjusted, weighted, names=["naive", "adjusted", "weighted"])"""


def section() -> DemoSection:
    """Three estimates of one effect side by side, and the coefficients of the adjusted one."""
    data = si.datasets.load("lalonde")
    covariates = "age + educ + C(race) + married + nodegree + re74 + re75"
    w = si.balance(f"treat ~ {covariates}", data, estimand="ATT")
    naive = si.lm("re78 ~ treat", data)
    adjusted = si.lm(f"re78 ~ treat + {covariates}", data)
    weighted = si.lm("re78 ~ treat", data, weights=w)
    side_by_side = si.table(naive, adjusted, weighted, names=["naive", "adjusted", "weighted"])
    return DemoSection(
        title="Regression: from a naive difference to a weighted one",
        intro=(
            "Earnings in 1978 of men who took part in a training programme and of men who did not (LaLonde 1986). The two "
            "groups differ before the programme; a regression adjusts for it, and inverse probability weights make the "
            "controls look like the treated. The weighted fit's standard errors know that its weights were estimated."
        ),
        code=CODE,
        tables=(side_by_side, weighted.summary()),
        figures=(
            ("Coefficients of the adjusted regression with 95% intervals.", lambda: adjusted.plot()),
            ("Residual diagnostics of the adjusted regression.", lambda: adjusted.plot("residuals")),
        ),
    )
