"""What stands beside an estimated jump: bins, placebo cutoffs, other bandwidths, covariates, several cutoffs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.discontinuity.binning import SELECTIONS

mpl.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.DroppedRowsWarning")
HERE = Path(__file__).parent


@cache
def senate() -> pd.DataFrame:
    return si.datasets.load("senate")


@cache
def fitted() -> Any:
    return si.rd("vote ~ margin", senate())


@pytest.mark.parametrize("select", SELECTIONS)
def test_numbers_of_rdplot(select: str) -> None:
    table = pd.read_csv(HERE / "rd_reference.csv")
    rows = table[table["spec"] == f"rdplot_{select}"]
    expected = dict(zip(rows["quantity"], rows["value"].astype(float), strict=True))
    bins = fitted().bins(select)
    found: dict[str, float] = {}
    for letter, name, side in (("l", "left", bins.left), ("r", "right", bins.right)):
        found |= {f"J_{letter}": len(side.count), f"J_IMSE_{letter}": side.imse, f"J_MV_{letter}": side.mimicking}
        found |= {f"coef{k}_{name}": c for k, c in enumerate(side.coef)}
    names = {"mean_bin": "bin", "mean_x": "x", "mean_y": "y", "N": "nobs", "se_y": "std_error"}
    for k, row in enumerate(bins.tidy().to_dict("records")):
        found |= {f"bin{k}_rdplot_{theirs}": row[ours] for theirs, ours in names.items()}
    assert set(expected) <= set(found) and len(expected) >= 6
    # The file holds eight digits.
    np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), rtol=1e-7, atol=5e-9)


def test_bins_hold_all_rows() -> None:
    bins = fitted().bins("qsmv", nbins=(7, 9))
    assert bins.left.count.sum() + bins.right.count.sum() == fitted().nobs
    assert (len(bins.left.count), len(bins.right.count)) == (7, 9) and bins.left.count.min() > 80
    moved = si.rd("vote ~ margin", senate().assign(vote=senate()["vote"] + 1e6)).bins("esmvpr")
    same = fitted().bins("esmvpr")
    np.testing.assert_allclose(moved.left.y - 1e6, same.left.y, atol=1e-8, equal_nan=True)
    assert len(moved.right.count) == len(same.right.count)


def test_placebo_cutoffs_are_fits_of_one_side() -> None:
    fit = fitted()
    found = fit.placebo([-10, 8]).tidy()
    (h_l, b_l), (h_r, b_r) = fit.bandwidths
    for row, side in zip(found.to_dict("records"), (senate()["margin"] < 0, senate()["margin"] >= 0), strict=True):
        alone = si.rd(
            "vote ~ margin", senate()[side], cutoff=row["at"], bandwidth=(h_l, h_r), bias_bandwidth=(b_l, b_r)
        )
        assert row["estimate"] == pytest.approx(alone.params["robust"], rel=1e-10)
        assert row["std_error"] == pytest.approx(alone.std_errors["robust"], rel=1e-10)
        assert [row["nobs_left"], row["nobs_right"]] == list(alone.counts[:, 2])


def test_placebo_cutoffs_one_by_one_where_sums_do_not_serve() -> None:
    fit = fitted()
    by_sums = fit.placebo(6)
    again = fit.with_vcov("HC0").placebo(6)
    np.testing.assert_allclose(by_sums.estimate, again.estimate, rtol=1e-9)
    clustered = si.rd("vote ~ margin | termshouse", senate(), cluster="state").placebo(4)
    assert np.isfinite(clustered.std_error).all()


def test_checks_after_a_bootstrap_have_the_errors_of_before() -> None:
    drawn = fitted().bootstrap(replicas=20, seed=1)
    np.testing.assert_array_equal(drawn.placebo(4).std_error, fitted().placebo(4).std_error)


def test_other_bandwidths() -> None:
    fit = fitted()
    found = fit.sensitivity([10.0, fit.bandwidth[0]]).tidy()
    assert found["estimate"][1] == pytest.approx(fit.params["robust"], rel=1e-12)
    ratio = fit.bandwidths[0, 1] / fit.bandwidths[0, 0]
    narrow = si.rd("vote ~ margin", senate(), bandwidth=10.0, bias_bandwidth=10.0 * ratio)
    assert found["std_error"][0] == pytest.approx(narrow.std_errors["robust"], rel=1e-10)


def test_checks_are_one_table_and_one_figure() -> None:
    found = fitted().checks(6, [10, 20])
    assert list(found.tidy()["check"]) == ["placebo"] * 6 + ["bandwidth"] * 2
    axes = found.plot()
    assert len(axes) == 2 and "of 6 placebo cutoffs" in str(found) and "bandwidths from 10 to 20" in str(found)


def test_placebo_tests_keep_their_level() -> None:
    """Without a jump anywhere, few placebo cutoffs far from each other reject."""
    random = np.random.default_rng(8)
    rejected = 0
    for _ in range(20):
        x = random.uniform(-1, 1, 2000)
        fit = si.rd("y ~ x", pd.DataFrame({"x": x, "y": np.sin(2 * x) + random.normal(size=2000)}), bandwidth=0.15)
        rejected += int((fit.placebo([-0.8, -0.4, 0.4, 0.8]).p_value < 0.05).sum())
    # 80 tests at level 0.05: four expected, four binomial standard errors around.
    assert rejected <= 4 + 4 * np.sqrt(80 * 0.05 * 0.95)


def test_covariates_at_the_cutoff() -> None:
    found = fitted().covariate_balance(["termshouse", "termssenate"])
    alone = si.rd("termshouse ~ margin", senate().dropna(subset=["vote"]))
    row = found.tidy().iloc[0]
    assert row["estimate"] == pytest.approx(alone.params["robust"], rel=1e-9)
    assert row["std_error"] == pytest.approx(alone.std_errors["robust"], rel=1e-9)
    assert found.df == 2 and 0.05 < found.p_joint < 1
    moved = senate().assign(worse=senate()["termshouse"] + 5 * (senate()["margin"] >= 0))
    assert si.rd("vote ~ margin", moved).covariate_balance("worse").p_joint < 1e-6
    own = si.rd("vote ~ margin | termshouse", senate()).covariate_balance()
    assert own.columns == ("termshouse",) and own.df == 1


def _many(n: int = 2000) -> pd.DataFrame:
    random = np.random.default_rng(1)
    x = random.uniform(-1, 3, n)
    y = x + (x >= 0) + 2 * (x >= 1.5) + 0.5 * random.normal(size=n)
    own = np.where(random.random(n) < 0.4, 0.0, 1.5)
    return pd.DataFrame({"x": x, "y": y, "own": own, "z": x + (x >= own) + 0.3 * random.normal(size=n)})


def test_several_cutoffs() -> None:
    data = _many()
    fit = si.rd("y ~ x", data, cutoff=[1.5, 0])
    first = si.rd("y ~ x", data[data["x"] < 1.5])
    second = si.rd("y ~ x", data[data["x"] >= 0], cutoff=1.5)
    assert fit.terms == ("x = 0", "x = 1.5", "pooled")
    np.testing.assert_allclose(fit.theta[:2], [first.params["robust"], second.params["robust"]], rtol=1e-10)
    np.testing.assert_allclose(fit._se()[:2], [first.std_errors["robust"], second.std_errors["robust"]], rtol=1e-10)
    np.testing.assert_allclose(fit.theta[2], fit.shares @ fit.theta[:2], rtol=1e-12)
    np.testing.assert_allclose(fit.shares, fit.within.sum(1) / fit.within.sum(), rtol=1e-14)
    assert list(fit.table()["cutoff"]) == [0.0, 1.5] and fit.fits[1].cutoff == 1.5
    assert np.isfinite(fit.with_vcov("HC2").lean().std_errors).all()


def test_each_row_has_its_own_cutoff() -> None:
    data = _many()
    fit = si.rd("z ~ x", data, cutoff="own")
    alone = si.rd("z ~ x", data[data["own"] == 0])
    np.testing.assert_allclose(fit.theta[0], alone.params["robust"], rtol=1e-10)
    shares = fit.shares
    # Rows of two cutoffs are others: their errors are independent.
    np.testing.assert_allclose(fit._se()[2] ** 2, shares**2 @ fit._se()[:2] ** 2, rtol=1e-10)


def test_rows_without_a_cutoff_are_left_out() -> None:
    data = _many()
    holes = data.assign(own=data["own"].where(np.arange(len(data)) >= 7))
    fit = si.rd("z ~ x", holes, cutoff="own")
    assert fit.nobs == len(data) - 7 and fit.dropped == {"own is missing": 7}
    np.testing.assert_allclose(fit.theta, si.rd("z ~ x", data.iloc[7:], cutoff="own").theta, rtol=1e-12)


def test_cutoffs_that_differ_in_the_last_digits_are_told_apart() -> None:
    x = np.linspace(0.0, 3e-7, 301) + 1.0
    data = pd.DataFrame({"x": x, "y": np.random.default_rng(0).normal(size=301)})
    fit = si.rd("y ~ x", data, cutoff=[1.0 + 1e-7, 1.0 + 2e-7], bandwidth=5e-8)
    assert len(set(fit.terms)) == 3 and np.isfinite(fit.std_errors).all()


def test_rows_between_cutoffs_count_for_both() -> None:
    fit = si.rd("y ~ x", _many(), cutoff=[0, 0.8], bandwidth=0.7)
    assert fit.vcov.iloc[0, 1] < 0  # right side of one, left side of the other


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: fitted().bins("esx"), "binselect='esx'"),
        (lambda: fitted().bins(nbins=0), "nbins=0"),
        (lambda: fitted().bins(order=-1), "order=-1"),
        (lambda: fitted().placebo(1), "cutoffs=1"),
        (lambda: fitted().placebo([0.0, 3.0]), "the real cutoff"),
        (lambda: fitted().placebo("x"), "cutoffs='x'"),
        (lambda: fitted().sensitivity([-1]), r"bandwidths=\[-1\]"),
        (lambda: fitted().checks(level=2), "level=2"),
        (lambda: fitted().covariate_balance(), "the formula has none"),
        (lambda: fitted().covariate_balance("state"), "labels"),
        (lambda: fitted().covariate_balance("nowhere"), "nowhere"),
        (lambda: fitted().plot("residuals"), "kind='residuals'"),
        (lambda: fitted().lean().bins(), "fit again"),
        (lambda: si.rd("vote ~ margin", senate(), cutoff=[0]), "cutoff="),
        (lambda: si.rd("vote ~ margin", senate(), cutoff=[0, 5], method="honest"), "several cutoffs"),
        (lambda: si.rd("vote ~ margin", senate(), cutoff="vote"), "too few rows at each"),
        (lambda: si.rd("vote ~ margin", senate(), cutoff="state"), "labels"),
    ],
)
def test_what_is_refused(ask: Any, message: str) -> None:
    with pytest.raises((si.OptionError, si.DataError), match=message):
        ask()


def test_figures() -> None:
    import matplotlib.pyplot as plt

    axes = fitted().plot()
    assert axes.get_xlabel() == "margin" and axes.get_ylabel() == "vote"
    fitted().plot("coefficients")
    fitted().plot(binselect="qs", intervals=True)
    plt.close("all")
