"""Where a column stands, and in which unit, must not matter."""

from __future__ import annotations

import re

import numpy as np
import pytest

from contract.promises import promise, same
from contract.verbs import DATA, METHODS, NAMES, TARGET, call, fitted, numbers

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.StatinfWarning"),
    pytest.mark.parametrize("method", METHODS, ids=NAMES),
]
EPS = float(np.finfo(float).eps)
SHIFTED = 1e-6
"""A column of spread one beside a million keeps 1e6 eps = 2e-10 of itself; a likelihood that is maximal to 1e-12 keeps its
root in the estimates."""
PER_ROW = 1e-5
"""Predictions may come from hundreds of steps of training, each of which carries the rounding of the columns on."""
SCALED = 1e5 * EPS
"""Numbers in another unit: the same path of every solver up to the rounding of the columns."""


def changed(function, frame, column):
    """A frame with a column, and its next value, changed."""
    return frame.assign(**{c: function(frame[c]) for c in (column, f"{column}_next") if c in frame})


def levels(found):
    """Names of coefficients that are the level at zero of something that varies with the columns."""
    return {f"{what} of {t}" for what in ("estimate", "error") for t in _levels(found)} | {
        k for k in found if k.endswith("Intercept") or "|" in k
    }


def _levels(found):
    terms = [k.removeprefix("estimate of ") for k in found if k.startswith("estimate of ")]
    return [t for t in terms if any(other.startswith(f"{t}:") for other in terms)]


def test_the_place_of_a_column_does_not_matter(method):
    first = numbers(fitted(method))
    with promise(method, "column shift"):
        for column in ("x", "z"):
            data, target = (changed(lambda v: v + 1e6, frame, column) for frame in (DATA, TARGET))
            found = numbers(call(method, data, target), data)
            kept = [k for k in first if k not in levels(first)]
            assert list(found) == list(first)
            for name in kept:
                rtol = PER_ROW if name.startswith("per row") else SHIFTED
                same({name: found[name]}, {name: first[name]}, rtol)


def test_the_unit_of_a_column_does_not_matter(method):
    first = numbers(fitted(method))
    with promise(method, "column scale"):
        for column in ("x", "z"):
            data, target = (changed(lambda v: v * 1e-6, frame, column) for frame in (DATA, TARGET))
            found = numbers(call(method, data, target), data)
            for name in found:
                if name.startswith(("estimate of ", "error of ")) and re.split(r"[ :]", name)[-1] == column:
                    found[name] = found[name] * 1e-6
            same(found, first, SCALED)
