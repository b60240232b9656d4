"""The mark of what other parts of the package call and users do not.

Results work on one another: a table asks a fit for its rows, a bootstrap for its solver. Such methods cannot be private to
their class, and are no promise to users; the reference leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def internal(function: _F) -> _F:
    """Mark a method as one that other parts of the package call; in a class that inherits from its class it is one too.

    Below `property` and `classmethod`.

    Examples
    --------
    >>> is_internal(internal(lambda: None)), is_internal(lambda: None)
    (True, False)
    """
    function.__dict__["_statinf_internal"] = True
    return function


def is_internal(function: Any) -> bool:
    """Whether `internal` marked a function."""
    return bool(getattr(function, "_statinf_internal", False))


def function_of(member: Any) -> Any:
    """The function behind a property or a class method."""
    for name in ("fget", "__func__", "func"):
        member = getattr(member, name, None) or member
    return member


@cache
def internal_names(kind: type) -> frozenset[str]:
    """What `internal` marked in a class or in one that it inherits from."""
    return frozenset(
        name
        for owner in kind.__mro__
        if owner.__module__.startswith("statinf")
        for name, value in vars(owner).items()
        if not name.startswith("_") and is_internal(function_of(value))
    )
