"""Which arm is treated, tables of cells that are empty, searches that stop, and input that no method can use."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import ConvergenceError, DataError, InfeasibleError, OptionError, StatinfError


def _frame(n=80, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.4 * x))).astype(int)
    return pd.DataFrame({"t": t, "x": x, "z": rng.normal(size=n), "g": rng.choice(list("abc"), n)})


@pytest.mark.parametrize(
    ("one", "zero"),
    [("drug", "placebo"), ("active", "Control"), ("a", "untreated"), ("x", "NO"), ("a", "None"), (5, 0)],
)
def test_the_reference_is_known_by_its_name(one, zero):
    frame = _frame()
    numbers = si.balance("t ~ x", frame, method="entropy", estimand="ATT")
    named = frame.assign(t=np.where(frame["t"] == 1, one, zero))
    w = si.balance("t ~ x", named, method="entropy", estimand="ATT")
    assert (w.treatment_level, w.control_level) == (one, zero)
    np.testing.assert_array_equal(w.values, numbers.values)
    assert "treated= chooses" not in w.summary().to_text()


def test_the_treated_level_can_be_chosen_and_is_named_where_order_decided():
    frame = _frame()
    named = frame.assign(t=np.where(frame["t"] == 1, "a", "b"))
    later = si.balance("t ~ x", named, method="entropy", estimand="ATT")
    assert later.treatment_level == "b" and "Treated is t = 'b'" in later.summary().to_text()
    chosen = si.balance("t ~ x", named, method="entropy", estimand="att", treated="a")
    np.testing.assert_array_equal(chosen.values, si.balance("t ~ x", frame, method="ebal", estimand="ATT").values)
    assert "chooses" not in chosen.summary().to_text()
    flipped = si.balance("t ~ x", frame, estimand="ATT", treated=0)
    np.testing.assert_allclose(flipped.values, si.balance("t ~ x", frame, estimand="ATC").values, rtol=1e-9)
    with pytest.raises(OptionError, match=r"treated='c' is not a level of 't'.*'a', 'b'"):
        si.balance("t ~ x", named, treated="c")


@pytest.mark.parametrize(("estimand", "side"), [("ATT", 0), ("ATC", 1)])
def test_a_level_that_the_target_lacks_is_measured_by_the_pooled_deviation(estimand, side):
    frame = _frame(400)
    only = (frame["t"] == side) & (np.arange(400) % 5 == 0)
    frame["g"] = np.where(only, "only", "rest")
    for method in ("sbw", "energy"):
        w = si.balance("t ~ x + g", frame, method=method, estimand=estimand)
        row = w.diagnostics().set_index("term").loc["g[T.rest]" if "g[T.rest]" in w.names else "g[T.only]"]
        share = only.sum() / (frame["t"] == side).sum()
        assert row["denominator"] == "pooled"
        assert abs(row["smd_before"]) == pytest.approx(share / np.sqrt(share * (1 - share) / 2))
        assert np.isfinite(w.diagnostics()[["smd_before", "smd_after"]].to_numpy()).all()
        text = w.summary().to_text()
        assert "inf" not in text and "does not vary there, so that of both arms pooled" in text


def test_a_group_with_one_arm_is_refused_by_name():
    frame = _frame().assign(h=lambda d: np.where((d["t"] == 1) & (np.arange(80) < 9), "alone", "rest"))
    for method in ("ipw", "energy"):
        with pytest.raises(DataError, match="h=alone: The control arm is empty"):
            si.balance("t ~ x", frame, method=method, by="h")


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ipw", {}), ("entropy", {}), ("cbps", {}), ("cbps", {"separate": True}), ("cbps", {"over": True}), ("sbw", {}),
        ("sbw", {"tols": 0.01}), ("sbw", {"negative": True}), ("energy", {}), ("energy", {"rank": 5}), ("kernel", {}),
        ("ipm", {}), ("ipm", {"form": "parametric"}), ("ipm", {"ipm": "sipm"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
def test_a_search_that_ran_out_of_iterations_says_so(method, options, estimand):
    with pytest.raises(ConvergenceError, match=r"max_iter=1 .*raise max_iter") as error:
        si.balance("t ~ x + z + g", _frame(), method=method, estimand=estimand, max_iter=1, **options)
    assert "border" not in str(error.value) and "Use method=" not in str(error.value)


def test_a_target_on_the_border_is_told_from_one_outside_and_from_a_short_search():
    frame = _frame()
    # The treated stand where one control does, at the end of the column: weights vanish on all others.
    border = frame.assign(x=np.where(frame["t"] == 1, 1.0, 1.0 - 1e-7 * np.arange(80) ** 4.0))
    border.loc[border.index[frame["t"] == 0][0], "x"] = 1.0
    with pytest.raises(InfeasibleError, match="border of the convex hull"):
        si.balance("t ~ x", border, method="entropy", estimand="ATT")
    with pytest.raises(InfeasibleError, match="smallest attainable gap"):
        si.balance("t ~ x", frame.assign(x=frame["x"] + 9 * frame["t"]), method="entropy", estimand="ATT", max_iter=3)
    thin = pd.DataFrame({"t": [1, 0, 0], "x": [0.5, 0.0, 1.0], "z": [1.0, 0.0, 0.0], "v": [0.0, 1.0, 0.0]})
    with pytest.raises(InfeasibleError, match="do not span"):
        si.balance("t ~ x + z", thin, method="sbw", negative=True, estimand="ATT")


HOSTILE = {
    "one row": lambda d: d.head(1),
    "no rows": lambda d: d.head(0),
    "one arm": lambda d: d.assign(t=1),
    "no treatment": lambda d: d.assign(t=np.nan),
    "constant": lambda d: d.assign(x=1.0, z=2.0),
    "infinite": lambda d: d.assign(x=np.r_[np.inf, d["x"][1:]]),
    "same column": lambda d: d.assign(z=d["x"]),
    "nearly the same": lambda d: d.assign(z=d["x"] + 1e-12 * d["z"]),
    "far": lambda d: d.assign(x=d["x"] + 1e14),
    "outlier": lambda d: d.assign(x=np.r_[1e200, d["x"][1:]]),
    "separated": lambda d: d.assign(x=3.0 * d["t"]),
    "one treated": lambda d: d.assign(t=np.r_[1, np.zeros(79, int)]),
    "same rows": lambda d: pd.concat([d.head(1)] * 20).assign(t=[0, 1] * 10),
    "dates": lambda d: d.assign(t=pd.to_datetime("2020-01-01")),
}


@pytest.mark.filterwarnings("ignore::statinf.errors.StatinfWarning")
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps", "sbw", "energy", "kernel", "ipm"])
def test_hostile_data_end_in_weights_or_in_an_error_of_the_package(method, name):
    try:
        w = si.balance("t ~ x + z", HOSTILE[name](_frame()), method=method, estimand="ATT")
    except StatinfError:
        return
    assert np.isfinite(w.values).all()
    assert np.isfinite(w.diagnostics()[["smd_before", "smd_after", "mean_treated", "mean_control"]].to_numpy()).all()
    assert w.summary().to_text()


@pytest.mark.parametrize("exponent", [150, 300, -170, -300])
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps", "sbw", "energy", "kernel", "ipm"])
def test_huge_and_tiny_columns(method, exponent):
    frame, scale = _frame(), 10.0**exponent
    w = si.balance("t ~ x + z", frame.assign(x=frame["x"] * scale), method=method, estimand="ATT")
    np.testing.assert_allclose(
        w.values, si.balance("t ~ x + z", frame, method=method, estimand="ATT").values, atol=1e-6
    )
    mean = float(frame["x"][frame["t"] == 1].mean())
    assert w.diagnostics().set_index("term").loc["x", "mean_treated"] == pytest.approx(mean * scale, rel=1e-9, abs=0.0)
