"""How promises are tried: what a method's record excuses, and how numbers are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

import statinf as si
from statinf.results import Method

OPEN = {
    ("lsa", "zero weights"): "rows of weight zero count for steps and the burn-in",
    ("lsa", "column shift"): "standard errors come from uncentred columns",
    ("td", "column shift"): "the mean matrix is inverted for uncentred features",
    ("td", "column scale"): "the mean matrix is inverted for unscaled features",
    ("td", "causes of missing rows"): "readers of streams do not name the column",
}
"""Promises that could be kept and are not yet: each must fail until it leaves this list."""


@contextmanager
def promise(method: Method, name: str) -> Iterator[None]:
    """What is asserted inside must hold; if the method's record says that it cannot, it must not hold."""
    reason, fault = method.traits.get(name), OPEN.get((method.verb, name))
    try:
        yield
    except (AssertionError, si.StatinfError):
        if fault is not None:
            pytest.xfail(fault)
        if reason is None:
            raise
    else:
        if reason is not None or fault is not None:
            where = "its record's traits" if fault is None else "OPEN"
            pytest.fail(f"{method.verb} {method.name} keeps the promise '{name}': take it out of {where}")


def same(found: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray], rtol: float = 0.0) -> None:
    """Assert that two results have the same numbers, each up to `rtol` of the largest beside it."""
    assert list(found) == list(first)
    for name, value in first.items():
        scale = np.nanmax(np.abs(value)) if np.isfinite(value).any() else 0.0
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=rtol * scale, err_msg=name)
