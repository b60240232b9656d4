"""Where outcomes tie, a quantile regression has several solutions: the order of the rows must not pick one."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.StatinfWarning")


def counts(seed, n=60):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.integers(0, 4, n), "b": random.integers(0, 2, n), "w": random.integers(0, 3, n)})
    frame["g"] = random.choice(list("uvw"), n)
    frame["y"] = random.poisson(1 + frame["a"]).astype(float)
    frame["event"] = random.integers(0, 2, n)
    return frame, frame.sample(frac=1.0, random_state=seed)


@pytest.mark.parametrize(
    "fit",
    [
        lambda d: si.rq("y ~ a + b + g", d, tau=[0.25, 0.5, 0.75]).params,
        lambda d: si.rq("y ~ a + b + g", d, tau=[0.25, 0.5, 0.75], weights="w").params,
        lambda d: si.crq("cbind(y, event) ~ a + b + g", d, tau=[0.2, 0.3]).params,
        lambda d: si.rq_path("y ~ a + b", d, nlambda=6, seed=1).params,
        lambda d: si.rq_path("y ~ a + b", d, nlambda=6, seed=1).penalties,
        lambda d: si.rq_path("y ~ a + b", d, nlambda=6, method="group-lasso", rule="pivotal").penalties,
    ],
    ids=["rq", "rq weighted", "crq", "rq_path", "penalties", "group-lasso"],
)
def test_the_order_of_rows_picks_no_solution(fit):
    for seed in (3, 4, 5, 10, 14, 15):
        there, shuffled = counts(seed)
        np.testing.assert_allclose(np.asarray(fit(shuffled)), np.asarray(fit(there)), rtol=0, atol=1e-10)


def test_the_solution_on_sorted_rows_keeps_its_digits_far_from_zero():
    there, _ = counts(3)
    moved = there.assign(a=there["a"] + 1e7, y=there["y"] + 1e6)
    one, other = (si.rq("y ~ a + b", d, tau=[0.25, 0.5]) for d in (there, moved))
    slopes = [name for name in one.params.index if not name.endswith("Intercept")]
    assert len(slopes) == 4
    np.testing.assert_allclose(other.params[slopes], one.params[slopes], atol=1e-8)
    np.testing.assert_allclose(other.std_errors[slopes], one.std_errors[slopes], rtol=1e-6)


@pytest.mark.parametrize("seed", [14, 37, 116, 139])
def test_flat_edges_between_ties_are_no_circle(seed):
    random = np.random.default_rng(seed)
    n = int(random.choice([40, 120, 300, 900]))
    frame = pd.DataFrame({"a": random.integers(0, 4, n), "b": random.integers(0, 2, n)})
    frame["y"] = random.poisson(1 + frame["a"]).astype(float)
    frame["t"] = (random.random(n) < 0.3 + 0.4 * frame["b"]).astype(int)
    fit = si.iv("y ~ t | a | b", frame, method="ivqr", tau=0.5)
    assert np.isfinite(fit.params).all()


@pytest.mark.parametrize(
    ("at", "told"), [([0.0], 0), ([1e-16], 0), ([-1e-16], 0), ([-0.1], 1), ([0.0] * 3, 3), ([1e-16, -1e-16, 0.0], 3)]
)
def test_rows_that_neighbouring_fits_share_are_no_crossings(at, told, monkeypatch):
    # As many rows as coefficients can lie on both fits, whose distance there is rounding of either sign.
    from statinf.quantile import covariance

    distance = np.r_[at, np.linspace(0.5, 2.0, 20)]
    X = np.column_stack([np.ones_like(distance), distance])
    ends = SimpleNamespace(coef=np.array([[0.0, 0.0], [0.0, 1.0]]))
    monkeypatch.setattr(covariance, "solve_quantiles", lambda *given, **options: ends)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = covariance.difference_densities(X, distance, np.array([0.5]))[0]
    assert (found[: len(at)] == 0).all() and (found[len(at) :] > 0).all()
    assert [int(str(one.message).split()[0]) for one in caught] == [told] * bool(told)
