"""The record of a method of `effect` or `iv`: which treatments and estimands it takes, and which fit it makes."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.effects.effect_fit import EffectFit
from statinf.errors import DataError, OptionError
from statinf.results import Fit
from statinf.results.methods import Method


@dataclass(frozen=True, kw_only=True)
class EffectMethod(Method):
    """One method of `effect` or `iv`.

    Attributes
    ----------
    fit : type
        The kind of fit that its estimate becomes.
    estimands : tuple of str
    two_arms : bool
        Whether the treatment must have two values.
    covariates : {"needed", "optional", "none"}
    """

    fit: type[Fit] = EffectFit
    estimands: tuple[str, ...] = ("ATE", "ATT", "ATC")
    two_arms: bool = True
    covariates: str = "needed"

    def check_estimand(self, estimand: object) -> str:
        """The estimand in capitals, or an `OptionError` that names those of this method."""
        plain = estimand.upper() if isinstance(estimand, str) else estimand
        if plain not in self.estimands:
            listed = ", ".join(map(repr, self.estimands))
            raise OptionError(f"estimand={estimand!r} is not one of method={self.name!r}, which takes {listed}.")
        return str(plain)

    def check_covariates(self, width: int | None) -> None:
        """Refuse covariates that the method does not take, or want of those that it needs.

        Parameters
        ----------
        width : int or None
            Number of covariate columns; None where the formula has no part for them.
        """
        if self.covariates == "none" and width:
            raise OptionError(
                f"method={self.name!r} compares means and takes no covariates; use method='regression' to adjust for them."
            )
        if self.covariates == "needed" and width is None:
            raise OptionError(
                f"method={self.name!r} adjusts for covariates: write 'outcome ~ treatment | x1 + x2', or use method='dim'."
            )


def check_outcome(finite: bool) -> None:
    """Refuse outcomes that are infinite on the rows used."""
    if not finite:
        raise DataError("the outcome holds infinite values on the rows used.")
