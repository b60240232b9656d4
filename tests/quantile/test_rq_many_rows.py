"""What many rows save: rows lent to the first covariance, neighbouring fits from the fit, fewer passes before the simplex."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.quantreg import approach
from statinf.quantile import covariance, working


@pytest.fixture
def data():
    random = np.random.default_rng(6)
    made = pd.DataFrame(random.standard_normal((3000, 3)), columns=["a", "b", "c"])
    made["y"] = made["a"] + random.standard_normal(3000) * (1.0 + 0.5 * made["b"].abs())
    made["w"] = random.integers(0, 3, 3000).astype(float)
    made["far"] = made["c"] + 1e6
    return made


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", ["y ~ a + b + c", "y ~ a + far", "y ~ a + b + I(2 * a)"])
@pytest.mark.filterwarnings("ignore::statinf.errors.AliasedWarning")
def test_lent_rows_give_the_errors_of_rows_made_anew(data, formula, weights, monkeypatch):
    fit = si.rq(formula, data, tau=[0.25, 0.5], weights=weights)
    made, rows = [], working.working_rows
    monkeypatch.setattr(working, "working_rows", lambda *given, **more: made.append(1) or rows(*given, **more))
    np.testing.assert_array_equal(fit.with_vcov("nid").vcov, fit.vcov)
    assert len(made) == 1, "the fit holds no rows"


def test_neighbouring_fits_do_not_depend_on_their_start(data, monkeypatch):
    fit = si.rq("y ~ a + b + c", data)
    monkeypatch.setattr(covariance, "_MANY", 10)
    np.testing.assert_allclose(si.rq("y ~ a + b + c", data).vcov, fit.vcov, rtol=1e-9)


def test_distances_that_are_small_throughout_lose_a_share_of_their_median(data, monkeypatch):
    small = data.assign(y=data["y"] * 1e-7)
    fit, larger = (si.rq("y ~ a + b + c", d) for d in (small, data))
    np.testing.assert_allclose(fit.std_errors * 1e7, larger.std_errors, rtol=2e-5)


def test_rows_left_to_the_simplex_do_not_change_the_fit(data, monkeypatch):
    fit = si.rq("y ~ a + b + c", data, tau=[0.1, 0.5])
    monkeypatch.setattr(approach, "_UNDECIDED", 10)
    other = si.rq("y ~ a + b + c", data, tau=[0.1, 0.5])
    np.testing.assert_allclose(other.params, fit.params, rtol=1e-12)
    np.testing.assert_allclose(other.vcov, fit.vcov, rtol=1e-9)
