"""Balancing weights on the National Supported Work data."""

from __future__ import annotations

import statinf as si
from statinf.results import DemoSection

CODE = """\
data = si.datasets.load("lalonde")
formula = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
ipw = si.balance(formula, data, method="ipw", estimand="ATT")
entropy = si.balance(formula, data, method="entropy", estimand="ATT")
energy = si.balance(formula, data, method="energy", estimand="ATT")
si.table(ipw, entropy, energy)
si.table(*(si.lm("re78 ~ treat", data, weights=w) for w in (ipw, entropy, energy)))
entropy.plot()"""


def section() -> DemoSection:
    """Three weightings, their balance and the effects they estimate."""
    data = si.datasets.load("lalonde")
    formula = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
    methods = ("ipw", "entropy", "energy")
    weights = [si.balance(formula, data, method=m, estimand="ATT") for m in methods]
    fits = [si.lm("re78 ~ treat", data, weights=w) for w in weights]
    entropy = weights[1]
    return DemoSection(
        title="Balance: weights that make the controls comparable",
        intro=(
            "Men from a survey as controls for men in a training programme (LaLonde 1986), reweighted to look like them: by a "
            "modelled propensity, by exact balance of means, and by balance of whole distributions. Standard errors of the first "
            "two know that the weights were estimated; those of energy balancing take them as fixed, and say so."
        ),
        code=CODE,
        tables=(si.table(*weights), si.table(*fits, names=list(methods)), entropy.summary()),
        figures=(
            ("Standardised mean differences before and after entropy balancing.", lambda: entropy.plot()),
            ("Weights of the two arms under entropy balancing.", lambda: entropy.plot("weights")),
        ),
    )
