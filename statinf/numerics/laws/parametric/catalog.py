"""The families by name."""

from __future__ import annotations

from collections.abc import Mapping

from statinf.errors import OptionError, nearest
from statinf.numerics.laws.parametric.discrete import CATEGORICAL, POISSON
from statinf.numerics.laws.parametric.gamma import GAMMA
from statinf.numerics.laws.parametric.heavy import LAPLACE, student
from statinf.numerics.laws.parametric.law import Law
from statinf.numerics.laws.parametric.normal import LOGNORMAL, NORMAL
from statinf.numerics.laws.parametric.positive import EXPONENTIAL, WEIBULL

LAWS: Mapping[str, Law] = {
    law.name: law for law in (NORMAL, LOGNORMAL, student(), LAPLACE, POISSON, GAMMA, EXPONENTIAL, WEIBULL, CATEGORICAL)
}

ALIASES: Mapping[str, str] = {
    "gaussian": "normal",
    "norm": "normal",
    "t": "student",
    "studentt": "student",
    "student_t": "student",
    "lognorm": "lognormal",
    "expon": "exponential",
    "bernoulli": "categorical",
    "multinomial": "categorical",
}
"""Names of other packages whose meaning is plain."""


def law_named(name: str) -> Law:
    """The family of that name, or an `OptionError` with the nearest."""
    plain = name.lower()
    found = LAWS.get(ALIASES.get(plain, plain))
    if found is None:
        raise OptionError(
            f"dist={name!r} is not known; choose one of {', '.join(map(repr, LAWS))}.{nearest(plain, list(LAWS))}"
        )
    return found
