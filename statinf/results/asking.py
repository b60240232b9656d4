"""Which names a result has, and what it answers to one that it does not have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from statinf.internal import internal_names
from statinf.spellings import hints

PROMISES: Mapping[str, str] = {
    "params": "coefficients",
    "vcov": "covariance of coefficients",
    "std_errors": "standard errors",
    "conf_int": "confidence intervals",
    "tidy": "table of estimates",
    "glance": "statistics of the whole fit",
    "augment": "row-wise diagnostics",
    "predict": "predictions",
    "influence": "influence values",
    "with_vcov": "other covariances",
    "test": "tests of coefficients",
    "adjust": "p-values of several coefficients, adjusted",
    "randomization_test": "test by assigning a treatment anew",
    "transform": "functions of coefficients",
    "bootstrap": "bootstrap",
    "slopes": "marginal effects",
    "comparisons": "contrasts of predictions",
    "predictions": "adjusted predictions",
    "to_arviz": "draws",
    "plot": "plot",
}
"""Names that every result answers or refuses, and what they give."""


def answer(name: str, has: Collection[str], offers: Sequence[str]) -> str:
    """The spelling that works on this result, else the nearest of its names, else all that it offers.

    Parameters
    ----------
    name : str
        As it was asked for.
    has : collection of str
        Public names of the result that answer.
    offers : sequence of str
        Those to list where nothing is like the name.

    Examples
    --------
    >>> answer("weights", ["values", "ess"], ["values", "ess"])
    'Use values, an array of a weight for each row.'
    >>> answer("stderr", ["values", "ess"], ["values", "ess"])
    'It offers values, ess.'
    """
    said = hints("result", name)
    for sentence in said:
        word = re.match(r"\w+", sentence)
        if word and word[0] in has:
            return f"Use {sentence}."
    close = [] if said else get_close_matches(name, has, n=1, cutoff=0.8)
    return f"Did you mean {close[0]!r}?" if close else f"It offers {', '.join(offers)}."


class NoSuchName(AttributeError):
    """The error of a name that a result does not have; its words are looked for when it is shown, as most are only tried."""

    def __init__(self, result: Any, name: str) -> None:
        super().__init__(name)
        self._result, self._name = result, name

    def __str__(self) -> str:
        said = f"{type(self._result).__name__} has no attribute {self._name!r}."
        if self._name.startswith("_"):
            return said
        offers = self._result.offers.split(", ")
        return f"{said} {answer(self._name, public_names(self._result, offers), offers)}"

    def __reduce__(self) -> tuple[type[AttributeError], tuple[str]]:
        return AttributeError, (str(self),)


def public_names(result: Any, offered: Sequence[str]) -> list[str]:
    """Its methods, properties and fields, sorted, without the promises that it refuses and what the package alone calls."""
    names = {name for name in object.__dir__(result) if not name.startswith("_")}
    return sorted(names - internal_names(type(result)) - (PROMISES.keys() - offered) - {"beside", "lacks"})
