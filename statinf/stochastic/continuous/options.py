"""Options that several methods of `si.ctd` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.results.options import Options, choice, number, value

TESTS = ("td0", "lambda", "relative")


@dataclass(frozen=True, kw_only=True)
class DiscountOptions(Options):
    """How values at the next row are discounted."""

    discounting: str = choice(
        "euler",
        ("euler", "exact"),
        "whether the next value is discounted to first order in the time step, or by its exponential",
    )


def _check_test(name: str, given: Any) -> Any:
    if callable(given) or given in TESTS:
        return given
    raise OptionError(
        f"{name}={given!r} is not known; choose one of {', '.join(map(repr, TESTS))}, or give a function of features and time."
    )


@dataclass(frozen=True, kw_only=True)
class ConditionOptions(DiscountOptions):
    """Which martingale conditions are solved."""

    test_function: Any = value(
        "td0", "test functions of the conditions: the features, their traces, or the features over the local variance of the "
        "martingale", "'td0', 'lambda', 'relative', or a function of features (n, q) and time (n,)", _check_test,
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
        if self.lam is not None and self.test_function not in ("td0", "lambda"):
            raise OptionError(
                f"lam={self.lam!r} is the decay of traces; it does not go with test_function={self.test_function!r}."
            )
        if self.lam is None and self.test_function == "lambda":
            raise OptionError(
                "test_function='lambda' needs lam=, the decay of traces per unit of time, such as lam=0.5."
            )

    @property
    def test(self) -> Any:
        """The test function in force: a decay alone asks for traces."""
        return "lambda" if self.lam is not None else self.test_function
