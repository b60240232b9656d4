"""Options that several methods of `si.ctd` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results.options import Options, choice, number, value

TESTS = ("td0", "lambda", "relative")
ORDER = {"row order": "times must ascend within an episode, so that rows out of order are refused"}


@dataclass(frozen=True, kw_only=True)
class DiscountOptions(Options):
    """How values at the next row are discounted."""

    discounting: str = choice(
        "euler",
        ("euler", "exact"),
        "whether the next value is discounted to first order in the time step, or by its exponential",
    )


def check_start(name: str, given: Any) -> Any:
    """Numbers by the names of parameters."""
    good = isinstance(given, Mapping) and bool(given) and all(isinstance(k, str) and k for k in given)
    if not good or not all(_is_number(v) for v in given.values()):
        raise OptionError(f"{name}={given!r} is not a mapping of parameters to numbers, such as {{'theta': 0.1}}.")
    return {k: float(v) for k, v in given.items()}


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float | np.number) and not isinstance(given, bool) and bool(np.isfinite(given))


def check_function(name: str, given: Any) -> Any:
    """A callable."""
    if not callable(given):
        raise OptionError(f"{name}={given!r} is not a function of columns and parameters.")
    return given


def check_pair(function: Any, start: Any) -> None:
    """A function of parameters and their start go together."""
    if (function is None) != (start is None):
        raise OptionError(
            "value_function= and start= go together: the function of columns and parameters, and where the parameters start, "
            "such as start={'theta': 0.1}."
        )


def check_test(name: str, given: Any, also: tuple[str, ...] = ()) -> Any:
    """A test function by name, or a function."""
    if callable(given) or (isinstance(given, str) and given in (*TESTS, *also)):
        return given
    listed = ", ".join(map(repr, (*TESTS, *also)))
    raise OptionError(
        f"{name}={given!r} is not known; choose one of {listed}, or give a function of features and time."
    )


@dataclass(frozen=True, kw_only=True)
class ValueOptions(Options):
    """Values that are no linear function of their parameters."""

    value_function: Any = value(
        None, "values as a function of a mapping of columns and one of parameters, written with jax.numpy; by default they are "
        "linear in the features", "a function, or None", check_function,
    )  # fmt: skip
    start: Any = value(
        None, "where the parameters of value_function start", "a mapping of parameters to numbers, or None", check_start
    )


@dataclass(frozen=True, kw_only=True)
class ConditionOptions(DiscountOptions):
    """Which martingale conditions are solved."""

    test_function: Any = value(
        "td0", "test functions of the conditions: the features, their traces, or the features over the local variance of the "
        "martingale", "'td0', 'lambda', 'relative', or a function of features (n, q) and time (n,)", check_test,
    )  # fmt: skip
    lam: float | None = number(
        None,
        "decay of traces per unit of time; gives test_function='lambda'",
        low=0.0,
        high=1.0,
        open_low=True,
        also=(None,),
    )

    def check(self) -> None:
        """Refuse a decay of what is no trace, and traces without one."""
        if self.lam is not None and self.test_function not in ("td0", "lambda", "both"):
            raise OptionError(
                f"lam={self.lam!r} is the decay of traces; it does not go with test_function={self.test_function!r}."
            )
        if self.lam is None and self.test_function in ("lambda", "both"):
            raise OptionError(
                f"test_function={self.test_function!r} needs lam=, the decay of traces per unit of time, such as lam=0.5."
            )

    @property
    def test(self) -> Any:
        """The test function in force: a decay alone asks for traces."""
        return "lambda" if self.lam is not None else self.test_function
