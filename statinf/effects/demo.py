"""A training programme from naive to doubly robust, and the return to schooling by an instrument."""

from __future__ import annotations

import statinf as si
from statinf.results import DemoSection

COVARIATES = "age + educ + black + hispan + married + nodegree + re74 + re75"
CODE = """\
data = si.datasets.load("nsw")
x = "age + educ + black + hispan + married + nodegree + re74 + re75"
naive = si.effect("re78 ~ treat", data, method="dim")
lin = si.effect(f"re78 ~ treat | {x}", data, method="regression")
irm = si.effect(f"re78 ~ treat | {x}", data, method="irm", repeats=5)
who = si.cate(f"re78 ~ treat | {x}", data, method="ivw", effect="~ nodegree + age")
card = si.datasets.load("card")
school = si.iv("lwage ~ educ | exper + expersq + black + south + smsa | nearc4", card)
school.anderson_rubin()"""


def section() -> DemoSection:
    """Average, conditional and instrumental effects with their tables and figures."""
    data = si.datasets.load("nsw")
    formula = f"re78 ~ treat | {COVARIATES}"
    naive = si.effect("re78 ~ treat", data, method="dim")
    lin = si.effect(formula, data, method="regression")
    ipw = si.effect(formula, data, method="ipw")
    irm = si.effect(formula, data, method="irm", repeats=5)
    who = si.cate(formula, data, method="ivw", effect="~ nodegree + age")
    school = si.iv(
        "lwage ~ educ | exper + expersq + black + south + smsa | nearc4",
        si.datasets.load("card"),
    )
    side_by_side = si.table(naive, lin, ipw, irm, names=["means", "regression", "ipw", "irm"])
    return DemoSection(
        title="Treatment effects: what a training programme did, and for whom",
        intro=(
            "Earnings in 1978 after a randomised programme (National Supported Work, 445 men). Every estimate has influence "
            "values, so that clusters, joint tests and the bootstrap work on all of them. The effect is then projected on "
            "two covariates with inverse-variance weights (Fisher 2023), and the return to schooling is estimated with "
            "distance to a college as instrument (Card 1995), with a set that holds however weak the instrument is: "
            f"{str(school.anderson_rubin()).splitlines()[1]}."
        ),
        code=CODE,
        tables=(side_by_side, irm.summary(), who.summary(), school.summary()),
        figures=(
            ("Propensities of the treated (above) and the controls (below).", lambda: ipw.plot("overlap")),
            ("The effect along age: pointwise limits and the uniform band.", lambda: who.curve("age", knots=4).plot()),
        ),
    )
