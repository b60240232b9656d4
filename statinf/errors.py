"""The exceptions and warnings that statinf raises.

Every message names the column, the rows or the option at fault and says what to do.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from numbers import Real
from types import FrameType
from typing import Any

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


class StatinfError(Exception):
    """Base class of every exception that statinf raises on purpose."""


class FormulaError(StatinfError, ValueError):
    """A formula that cannot be read, or that asks for something a formula may not do."""


class DataError(StatinfError, ValueError):
    """Data that cannot be used as given: missing columns, infinite values, no rows left."""


class OptionError(StatinfError, ValueError):
    """An option outside its domain, or options that exclude each other."""


class ConvergenceError(StatinfError, RuntimeError):
    """An iterative solver that stopped before its tolerance was met."""


class InfeasibleError(StatinfError, ValueError):
    """Constraints that no solution satisfies."""


class NotIdentifiedError(StatinfError, ValueError):
    """A quantity that the data or the method do not identify, standard errors without theory included."""


class HostError(StatinfError, RuntimeError):
    """Work that several processes share and one of them did not finish."""


class StatinfWarning(UserWarning):
    """Base class of the warnings that statinf issues."""


class AliasedWarning(StatinfWarning):
    """Columns were dropped because other columns determine them."""


class DroppedRowsWarning(StatinfWarning):
    """Rows were left out of a fit or could not be predicted."""


class SeparationWarning(StatinfWarning):
    """Maximum likelihood estimates run off to infinity: a covariate separates the outcomes."""


class NumericalWarning(StatinfWarning):
    """A result whose digits are in doubt: an ill-conditioned design, a solver near its limits."""


def issue_warning(message: str | Warning, category: type[Warning]) -> None:
    """Issue a warning at the line of the caller's code, however deep in the package it is found out.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     issue_warning("few rows.", NumericalWarning)
    >>> str(caught[0].message)
    'few rows.'
    """
    if not _SILENT.get():
        warnings.warn(message, category, stacklevel=_outside())


@contextmanager
def silent_warnings() -> Iterator[None]:
    """A block in which `issue_warning` says nothing, in this thread; the caller's filters are left alone."""
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


def _outside() -> int:
    """The `stacklevel` of `issue_warning` that is the first line outside of the package.

    Frames of the standard library, and installed packages that the package calls and that call it back, are passed over;
    a function that the caller handed over is the caller's code.
    """
    level, found = 1, 0
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        library = top in sys.stdlib_module_names and top != "__main__"
        if top == "statinf":
            found = 0
        elif not library:
            found = found or level
            if not {"site-packages", "dist-packages"} & set(frame.f_code.co_filename.replace("\\", "/").split("/")):
                break
        frame, level = frame.f_back, level + 1
    return found or level - 1


def nearest(name: str, known: Sequence[str]) -> str:
    """' Did you mean 'x'?' for the closest spelling, or nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def one_of(option: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`, else raise an `OptionError` that lists them."""
    if not isinstance(value, str) or value not in allowed:
        choices = ", ".join(repr(a) for a in allowed)
        raise OptionError(f"{option}={value!r} is not known; choose one of {choices}.{nearest(str(value), allowed)}")
    return value


def check_fdr(fdr: Any, *, name: str = "fdr", one: bool = False) -> float:
    """Return a false discovery rate in (0, 1), or one itself where that is allowed, else raise an `OptionError`."""
    number = isinstance(fdr, Real) and not isinstance(fdr, bool)
    if not number or not (0.0 < float(fdr) < 1.0 or (one and float(fdr) == 1.0)):
        raise OptionError(f"{name}={fdr!r} is a false discovery rate; it must be in (0, 1{']' if one else ')'}.")
    return float(fdr)


def check_level(level: float) -> float:
    """Return a confidence or coverage level in (0, 1), else raise an `OptionError`."""
    try:
        if isinstance(level, str | bytes | bool):
            raise TypeError
        value = float(level)
    except (TypeError, ValueError):
        raise OptionError(f"level={level!r} is not a number; give a level between 0 and 1, such as 0.95.") from None
    if not 0.0 < value < 1.0:
        hint = f" Did you mean level={value / 100:g}?" if 1.0 < value < 100.0 else ""
        raise OptionError(f"level={level!r} is outside (0, 1).{hint}")
    if value < 0.5:
        issue_warning(
            f"level={level!r} asks for an interval that covers {100 * value:g} percent: level is the confidence, not the "
            f"share of error. For {100 * (1 - value):g} percent write level={1 - value:g}.",
            StatinfWarning,
        )
    return value
