"""Doctor visits in the RAND health insurance experiment as a stream."""

from __future__ import annotations

import statinf as si
from statinf.results import DemoSection

CODE = """\
visits = si.datasets.load("randhie").sample(frac=1.0, random_state=1)
formula = "mdvis ~ lncoins + idp + physlm + disea + hlthp"
fit = si.lsa(formula, visits, inference=("multiplier", "plugin", "random-scaling"))
batch = si.lm(formula, visits, vcov="HC0")
names = ["stream, bootstrap", "stream, plug-in", "all rows at once"]
si.table(fit, fit.with_vcov("plugin"), batch, names=names)"""


def section() -> DemoSection:
    """One pass with 1,000 replicas beside the batch fit, and the path of an estimate."""
    visits = si.datasets.load("randhie").sample(frac=1.0, random_state=1)
    formula = "mdvis ~ lncoins + idp + physlm + disea + hlthp"
    fit = si.lsa(formula, visits, inference=("multiplier", "plugin", "random-scaling"))
    batch = si.lm(formula, visits, vcov="HC0")
    names = ["stream, bootstrap", "stream, plug-in", "all rows at once"]
    return DemoSection(
        title="Streams: a regression that never sees a row twice",
        intro=(
            "Visits to a doctor in a year, 20,190 person-years of the RAND health insurance experiment, against the coinsurance "
            "rate and health. The rows pass once, in random order; beside the average run 1,000 replicas whose increments carry "
            "random multipliers, so the interval is there at any time and narrows as rows arrive. The batch regression on the "
            "right needs all rows in memory."
        ),
        code=CODE,
        tables=(si.table(fit, fit.with_vcov("plugin"), batch, names=names), fit.summary()),
        figures=(
            ("Estimates and 95% intervals as rows arrive.", lambda: fit.plot("path", terms=["lncoins", "disea"])),
            (
                "Replicas and the joint 95% ellipse of two coefficients.",
                lambda: fit.plot("region", terms=["lncoins", "idp"]),
            ),
        ),
    )
