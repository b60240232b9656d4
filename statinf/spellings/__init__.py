"""Spellings of other packages, and the ones that work here.

People who come from R, Stata, statsmodels or scikit-learn guess names before they read documentation. An error that
meets such a guess names the spelling that works here; `hint` looks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from statinf.spellings.answers import RESULTS
from statinf.spellings.options import OPTIONS
from statinf.spellings.verbs import VERBS

_TABLES: Mapping[str, Mapping[str, str]] = {"verb": VERBS, "result": RESULTS, "option": OPTIONS}


def hint(kind: str, name: str) -> str:
    """The spelling that works here, in a sentence; of a result the spelling alone.

    Parameters
    ----------
    kind : {"verb", "result", "option"}
        Whether the name was looked for in the package, in a result or among a verb's options.
    name : str
        As it was written; case, underscores and dots do not count.

    Returns
    -------
    str
        Empty where nothing is known.

    Examples
    --------
    >>> hint("option", "alpha")[:45]
    'The share that intervals cover is level=, suc'
    """
    return next(iter(hints(kind, name)), "")


def hints(kind: str, name: str) -> tuple[str, ...]:
    """All spellings that a name may mean, the likeliest first: results differ in what they have.

    Examples
    --------
    >>> hints("result", "ess")
    ('ess, the effective sample size', 'glance()')
    """
    return () if name.startswith("_") else _by_name(kind).get(plain(name), ())


@cache
def _by_name(kind: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for said, names in _TABLES.get(kind, {}).items():
        for name in names.split():
            found[plain(name)] = (*found.get(plain(name), ()), said)
    return found


def plain(name: str) -> str:
    """A name without case and signs, as guesses are compared; of `cv+` it is `cvplus`."""
    return "".join(letter for letter in name.lower().replace("+", "plus") if letter.isalnum())
