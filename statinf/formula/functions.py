"""The functions that a formula may call on numbers, under R's names and NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.formula.comparisons import choose


@dataclass(frozen=True)
class Known:
    """A function of the table with the number of arguments that it takes, by position only.

    NumPy's own functions would write into a further argument; the count keeps the caller's data safe.
    """

    call: Callable[..., Any]
    least: int = 1
    most: int = 1


def _round(x: Any, decimals: Any = 0.0) -> Any:
    return np.round(x, int(decimals))


def _signif(x: Any, digits: Any = 6.0) -> Any:
    size = np.floor(np.log10(np.where(x == 0.0, 1.0, np.abs(x)))) + 1.0 - int(digits)
    # Powers of ten below one are not exact, their inverses are.
    unit = np.power(10.0, np.abs(size))
    return np.where(size > 0, np.round(x / unit) * unit, np.round(x * unit) / unit)


def _log(x: Any, base: Any = None) -> Any:
    if base is None:
        return np.log(x)
    if np.ndim(base) or not (base > 0.0 and base != 1.0):
        raise ValueError("the base of a logarithm is one positive number other than 1")
    return {2.0: np.log2, 10.0: np.log10}[float(base)](x) if base in (2.0, 10.0) else np.log(x) / np.log(base)


def _special(name: str) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*values)

    return call


_ONE = "log2 log10 log1p exp exp2 expm1 sqrt abs sign floor ceil trunc sin cos tan arcsin arccos arctan sinh cosh tanh"
_R_NAMES = {
    "ceiling": np.ceil,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sinpi": lambda x: np.sin(np.pi * np.remainder(x, 2.0)),
    "cospi": lambda x: np.cos(np.pi * np.remainder(x, 2.0)),
    "dnorm": lambda x: np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi),
    "factorial": lambda x: _special("gamma")(x + 1.0),
}
_OF_SCIPY = {
    "gamma": "gamma",
    "lgamma": "gammaln",
    "digamma": "digamma",
    "plogis": "expit",
    "qlogis": "logit",
    "pnorm": "ndtr",
    "qnorm": "ndtri",
}
FUNCTIONS: Mapping[str, Known] = {
    "I": Known(lambda x: x),
    "log": Known(_log, 1, 2),
    "round": Known(_round, 1, 2),
    "signif": Known(_signif, 1, 2),
    "minimum": Known(np.minimum, 2, 2),
    "maximum": Known(np.maximum, 2, 2),
    "atan2": Known(np.arctan2, 2, 2),
    "beta": Known(_special("beta"), 2, 2),
    "choose": Known(_special("binom"), 2, 2),
    "where": Known(choose, 3, 3),
    "is_na": Known(lambda x: np.isnan(x).astype(np.float64)),
    **{name: Known(getattr(np, name)) for name in _ONE.split()},
    **{name: Known(call) for name, call in _R_NAMES.items()},
    **{name: Known(_special(there)) for name, there in _OF_SCIPY.items()},
}
