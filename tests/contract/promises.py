"""How promises are tried: what a method's record excuses, and how numbers are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

import statinf as si
from statinf.results import Method


@contextmanager
def promise(method: Method, name: str) -> Iterator[None]:
    """What is asserted inside must hold; if the method's record says that it cannot, it must not hold."""
    reason = method.traits.get(name)
    try:
        yield
    except (AssertionError, si.StatinfError):
        if reason is None:
            raise
    else:
        if reason is not None:
            pytest.fail(f"{method.verb} {method.name} keeps the promise '{name}': take it out of its record's traits")


def same(found: Mapping[str, np.ndarray], first: Mapping[str, np.ndarray], rtol: float = 0.0) -> None:
    """Assert that two results have the same numbers, each up to `rtol` of the largest beside it."""
    assert list(found) == list(first)
    for name, value in first.items():
        scale = np.nanmax(np.abs(value)) if np.isfinite(value).any() else 0.0
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=rtol * scale, err_msg=name)
