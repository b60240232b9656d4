"""Where a column stands, the order of the rows, rows of weight zero: none may matter, for any method."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import StatinfError

N = 120
CASES = {
    "ipw": ("ipw", {}),
    "probit": ("ipw", {"link": "probit", "stabilize": True}),
    "trimmed": ("ipw", {"trim": 0.1}),
    "entropy": ("entropy", {}),
    "cbps": ("cbps", {}),
    "cbps-over": ("cbps", {"over": True}),
    "sbw": ("sbw", {}),
    "sbw-0.05": ("sbw", {"tols": 0.05}),
    "sbw-auto": ("sbw", {"tols": "auto"}),
    "energy": ("energy", {}),
    "energy-rank": ("energy", {"rank": 20}),
    "kernel": ("kernel", {}),
    "kernel-landmarks": ("kernel", {"landmarks": 50}),
    "kernel-means": ("kernel", {"mean_first": True}),
    "mmd": ("ipm", {}),
    "mmd-median": ("ipm", {"bandwidth": "median"}),
    "mmd-tilted": ("ipm", {"form": "parametric"}),
    "sipm": ("ipm", {"ipm": "sipm", "form": "parametric"}),
}


@cache
def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    # Multiples of 2**-12: sums with 2**27 are exact, so that a shift loses nothing but what the method loses.
    x, z = np.round(rng.normal(size=(2, N)) * 2.0**12) / 2.0**12
    t = (rng.random(N) < 1.0 / (1.0 + np.exp(-0.7 * x))).astype(int)
    return pd.DataFrame({"t": t, "x": x, "z": z, "g": rng.choice(list("abc"), N)})


def _weights(case: str, frame: pd.DataFrame, **more) -> np.ndarray:
    method, options = CASES[case]
    estimand = "ATT" if case == "cbps-over" else "ATE"
    return si.balance("t ~ x + z + g", frame, method=method, estimand=estimand, **options, **more).full(fill=0.0)


@cache
def _first(case: str) -> np.ndarray:
    return _weights(case, _frame())


@pytest.mark.parametrize("case", CASES)
def test_a_shift_or_the_unit_of_a_column_changes_nothing(case):
    frame, first = _frame(), _first(case)
    tolerance = 1e-6 * first.max()
    far = _weights(case, frame.assign(x=frame["x"] + 2.0**27))
    np.testing.assert_allclose(far, first, atol=tolerance)
    small = _weights(case, frame.assign(x=frame["x"] * 1e-6, z=frame["z"] * 1e6))
    np.testing.assert_allclose(small, first, atol=tolerance)
    for unit in (2.0**500, 2.0**-560):
        np.testing.assert_allclose(_weights(case, frame.assign(x=frame["x"] * unit)), first, atol=1e-9 * first.max())


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_rows_does_not_matter(case):
    order = np.random.default_rng(1).permutation(N)
    again = _weights(case, _frame().iloc[order].reset_index(drop=True))
    np.testing.assert_allclose(again, _first(case)[order], atol=1e-8 * again.max())


@pytest.mark.parametrize("case", CASES)
def test_rows_of_weight_zero_are_absent(case):
    frame = _frame()
    strangers = frame.tail(9).assign(x=55.0, z=-1e9, g=list("aazzzzzzz"))
    both = pd.concat([strangers, frame], ignore_index=True)
    s = np.r_[np.zeros(9), np.ones(N)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _weights(case, both, weights=s)
    assert np.all(found[:9] == 0.0)
    np.testing.assert_allclose(found[9:], _first(case), atol=1e-8 * found.max())


def test_tables_know_nothing_of_rows_of_weight_zero():
    frame = _frame()
    # Rows that would add a level before the first, a third arm, a group of their own and values that are not 0 or 1.
    frame = frame.assign(b=(frame["x"] > 0) * 1.0, h=np.where(frame["z"] > 0, "u", "v"))
    more = pd.concat([frame.head(4).assign(g="A", b=7.0, h="zero", t=2), frame], ignore_index=True)
    s = np.r_[np.zeros(4), np.ones(N)]
    wide = {"method": "sbw", "tols": 0.2, "moments": 2, "interactions": True}
    for options in ({"method": "entropy"}, {"method": "entropy", "by": "h"}, wide):
        full = si.balance("t ~ x + z + b + g", frame, estimand="ATT", **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            w = si.balance("t ~ x + z + b + g", more, estimand="ATT", weights=s, **options)
        assert w.nobs == full.nobs and w.names == full.names and w.group_names == full.group_names
        pd.testing.assert_frame_equal(w.sizes(), full.sizes())
        pd.testing.assert_frame_equal(w.diagnostics(), full.diagnostics(), atol=1e-9)
        assert w.summary().to_text().split("arm  ")[1] == full.summary().to_text().split("arm  ")[1]
    with pytest.raises(StatinfError, match=f"no weights on the {int((frame['t'] == 0).sum())} control rows"):
        si.balance(
            "t ~ x", more.assign(x=lambda d: d["x"] + 9.0 * (d["t"] == 1)), method="entropy", weights=s, estimand="ATT"
        )


def test_coefficients_come_back_in_the_units_of_the_caller():
    frame = _frame()
    plain = si.balance("t ~ x + z", frame, method="ipw")
    for shift, unit in ((2.0**27, 1.0), (0.0, 2.0**-560), (2.0**27, 2.0**30)):
        other = si.balance("t ~ x + z", frame.assign(x=(frame["x"] + shift) * unit), method="ipw")
        np.testing.assert_allclose(other.coef[1:] * [unit, 1.0], plain.coef[1:], rtol=1e-9)
        np.testing.assert_allclose(other.score(frame.assign(x=(frame["x"] + shift) * unit)), plain.values, rtol=1e-6)
        slopes = [
            si.balance("t ~ x + z", f, method="entropy", estimand="ATT").details["multipliers"][0]
            for f in (frame, frame.assign(x=(frame["x"] + shift) * unit))
        ]
        np.testing.assert_allclose(slopes[1] * [unit, 1.0], slopes[0], rtol=1e-9)
        table = other.diagnostics().set_index("term")
        np.testing.assert_allclose(table["smd_before"], plain.diagnostics()["smd_before"], rtol=1e-9)
        x = ((frame["x"] + shift) * unit)[frame["t"] == 1]
        assert table.loc["x", "mean_treated"] == pytest.approx(np.average(x, weights=plain.values[frame["t"] == 1]))
