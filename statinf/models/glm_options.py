"""Options of generalised linear models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.models.absorb_options import AbsorbOptions
from statinf.models.row_counts import weights_kind_option
from statinf.numerics.glm.families import ALL_FAMILIES, FAMILIES, Family, family_of
from statinf.results import Options, choice, count, number
from statinf.results.options import value

SHRINKING = {"l2": 0.0, "l1": 1.0, "elastic_net": None}
"""Share of the absolute part in each penalty on the size of coefficients; None where the caller says."""

_GLMNET = "Friedman, Hastie and Tibshirani (2010)"
PENALTY_PAPERS = {"firth": "Firth (1993); Heinze and Schemper (2002)"} | dict.fromkeys(SHRINKING, _GLMNET)


def _known_family(_: str, name: Any) -> str:
    return family_of(name).name


def _any_family(_: str, name: Any) -> str:
    return family_of(name, among=ALL_FAMILIES).name


def family_option(names: tuple[str, ...], check: Any) -> Any:
    """The option that names the distribution of the outcome."""
    return value("gaussian", "distribution of the outcome", ", ".join(map(repr, names)), check)


@dataclass(frozen=True, kw_only=True)
class GlmOptions(Options):
    """Options of maximum likelihood."""

    family: str = family_option(FAMILIES, _known_family)
    link: Any = value(None, "link; the family's usual one by default", "a link of the family, or None")
    start: Any = value(
        None,
        "coefficients to begin with, for models whose means must stay in a range, such as poisson with identity link",
        "one number per column, or None",
    )
    tol: float = number(
        1e-10,
        "largest last step, in the information's norm, relative to the root of the deviance",
        low=0,
        high=1,
        open_low=True,
    )
    max_iter: int = count(100, "most steps of Fisher scoring")

    @property
    def model(self) -> Family:
        """The family under its link."""
        return family_of(self.family, self.link)


@dataclass(frozen=True, kw_only=True)
class VerbOptions(GlmOptions, AbsorbOptions):
    """Options of `si.glm`: further families, penalties, what weights mean, and absorbed effects."""

    family: str = family_option(ALL_FAMILIES, _any_family)
    alpha: float | None = number(
        None,
        "overdispersion of the negative binomial, whose variance is mu + alpha mu^2; estimated by maximum likelihood by default "
        "(R's theta is 1 / alpha)",
        low=0,
        also=(None,),
    )
    penalty: str | None = choice(
        None,
        ("firth", *SHRINKING),
        "'firth' is Jeffreys' prior, finite under separation and of less bias, for the logit and the Poisson's log link; the "
        "others shrink coefficients of columns scaled to unit standard deviation, the intercept's left alone",
    )
    strength: float | str | None = number(
        None,
        "of a shrinking penalty, beside half the mean deviance: glmnet's lambda (whose squared part glmnet divides by a gaussian "
        "outcome's standard deviation), and scikit-learn's alpha, or 1 / (C n), on scaled columns; 'cv' takes the one of least "
        "deviance on held-out folds",
        low=0,
        also=(None, "cv"),
    )
    share: float = number(0.5, "of the absolute values in penalty='elastic_net'; glmnet's alpha", low=0, high=1)
    folds: int = count(5, "for strength='cv'", low=2)
    seed: int = count(0, "of the rows' places in folds", low=0)
    weights_kind: str = weights_kind_option()

    @property
    def model(self) -> Family:
        """The family under its link, at the overdispersion given."""
        return family_of(self.family, self.link, alpha=self.alpha or 0.0, among=ALL_FAMILIES)

    def check(self) -> None:
        family = self.model
        for name, given in (("alpha", self.alpha), ("strength", self.strength)):
            if isinstance(given, float) and np.isinf(given):
                raise OptionError(f"{name}={given!r} is not a finite number.")
        if self.alpha is not None and not family.law.overdispersed:
            raise OptionError(
                f"alpha= is the overdispersion of family='negative_binomial'; family={self.family!r} has none. The confidence "
                "of intervals is level=, as in fit.conf_int(level=0.9)."
            )
        if self.penalty == "firth" and family.jeffreys is None:
            raise OptionError(
                f"penalty='firth' is for family='binomial' with the logit and family='poisson' with the log link, not for "
                f"{self.family!r} with {family.link.name!r}."
            )
        if self.shrinks and self.strength is None:
            raise OptionError(f"penalty={self.penalty!r} needs strength=, a number, or 'cv' to have it chosen.")
        if self.shrinks and family.law.overdispersed and self.alpha is None:
            raise OptionError(
                f"penalty={self.penalty!r} with family='negative_binomial' needs alpha=, its overdispersion."
            )
        if not self.shrinks and self.strength is not None:
            raise OptionError("strength= goes with penalty='l2', 'l1' or 'elastic_net'.")

    @property
    def paper(self) -> str:
        """Where what is asked for was proposed; empty for plain generalised linear models."""
        return PENALTY_PAPERS[self.penalty] if self.penalty else self.model.law.paper

    @property
    def shrinks(self) -> bool:
        """Whether coefficients are shrunken."""
        return self.penalty in SHRINKING

    @property
    def absolute(self) -> float:
        """Share of the absolute values in the penalty."""
        found = SHRINKING[str(self.penalty)]
        return self.share if found is None else found
