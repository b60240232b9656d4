"""Maximum likelihood on the source.

Ge, Tang, Fan, Ma and Jin (2024, arXiv 2311.15961): where the model of y given x is right, plain maximum likelihood on
the source is rate-optimal for prediction on the target, whatever the density ratio. Its excess risk is to first order
``tr(I_T I_S^{-1}) / (2 n)``. Where the model is wrong it converges to the source's best fit instead of the target's.
"""

from __future__ import annotations

from typing import Any

from statinf.models.glm import glm
from statinf.models.lm import lm
from statinf.results import Fit

CITATION = "maximum likelihood under covariate shift (Ge, Tang, Fan, Ma and Jin 2024)"
NEEDS_RATIO = False


def regress(formula: str, source: Any, *, family: str, link: str | None, **options: Any) -> Fit:
    """The source regression: least squares for gaussian outcomes, Fisher scoring otherwise."""
    if family == "gaussian" and link in (None, "identity"):
        return lm(formula, source, **options)
    return glm(formula, source, family=family, link=link, **options)


def fit(formula: str, source: Any, ratio: Any, **options: Any) -> Fit:
    """The unweighted fit; HC1 by default, as it must hold where the model is wrong."""
    if options["vcov"] is None and options["cluster"] is None:
        options["vcov"] = "HC1"
    return regress(formula, source, **options)
