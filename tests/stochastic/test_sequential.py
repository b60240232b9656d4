"""Confidence sequences: the boundary by its definition, its tuning, and coverage at all looks."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

import statinf as si
from statinf.stochastic.sequential import mixture_rho, sequential_critical, sequential_p_values


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=3000)})
    return frame.assign(y=1 + 0.1 * frame.x + rng.normal(size=3000))


@pytest.mark.parametrize(("level", "rows"), [(0.95, 1000), (0.9, 37), (0.99, 1e6)])
def test_boundary_is_robbins_normal_mixture(level, rows):
    rho, t, alpha = mixture_rho(rows, level), 3.0 * rows, 1.0 - level
    margin = np.sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * np.log(np.sqrt(t * rho**2 + 1) / alpha))
    assert sequential_critical(t, rho, level) == pytest.approx(np.sqrt(t) * margin, rel=1e-12)
    # A walk on the boundary is where the mixture of likelihood ratios is 1 / alpha.
    total = margin * t
    mixture = np.exp(rho**2 * total**2 / (2 * (1 + t * rho**2))) / np.sqrt(1 + t * rho**2)
    assert mixture == pytest.approx(1 / alpha, rel=1e-10)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_rho_makes_the_interval_narrowest_where_asked(level):
    found = minimize_scalar(
        lambda r: sequential_critical(500, np.exp(r), level), bounds=(-9, 2), method="bounded", options={"xatol": 1e-10}
    )
    assert sequential_critical(500, mixture_rho(500, level), level) <= found.fun * (1 + 1e-14)


def test_p_values_and_intervals_decide_alike():
    rho = mixture_rho(200, 0.95)
    for t in (10, 200, 5000):
        z = sequential_critical(t, rho, 0.95)
        assert sequential_p_values(np.array([z]), t, rho)[0] == pytest.approx(0.05, rel=1e-12)
    assert sequential_p_values(np.array([0.0]), 10, rho)[0] == 1.0


@pytest.mark.parametrize("options", [{"replicas": 0}, {"method": "renewable"}])
def test_fit_prints_the_sequence(data, options):
    fit = si.lsa("y ~ x", data, ci="sequential", look=500, **options)
    t = getattr(fit, "averaged", fit.nobs)
    half = sequential_critical(t, mixture_rho(500, 0.95), 0.95) * fit.std_errors
    np.testing.assert_allclose(fit.conf_int()["conf_high"], fit.params + half, rtol=1e-12)
    table, path = fit.tidy(), fit.path()
    assert ((table.p_value < 0.05) == (table.conf_low * table.conf_high > 0)).all()
    np.testing.assert_allclose(path.tail(2).conf_low, table.conf_low, rtol=1e-12)
    wide = path.conf_high - path.conf_low
    pointwise = fit.path(interval="normal")
    assert (wide > 1.4 * (pointwise.conf_high - pointwise.conf_low)).all()
    new = fit.predict(data[:3], interval="confidence")
    assert ((new.conf_high - new.estimate) / new.std_error).to_numpy() == pytest.approx(
        [half.iloc[0] / fit.std_errors.iloc[0]] * 3
    )
    assert "at every look" in str(fit.summary())


def test_look_stays_when_rows_arrive(data):
    fit = si.lsa("y ~ x", data[:2000], replicas=0, ci="sequential", look=700).update(data[2000:])
    assert fit.run.settings.look == 700
    both = si.lsa("y ~ x", data, replicas=0, ci="sequential", look=700, expected_rows=2000)
    np.testing.assert_array_equal(fit.conf_int(), both.conf_int())


@pytest.mark.filterwarnings("ignore:inference='random-scaling'")
def test_refusals(data):
    fit = si.lsa("y ~ x", data, replicas=0, inference=("plugin", "random-scaling"))
    with pytest.raises(si.NotIdentifiedError, match="studentises"):
        fit.with_vcov("random-scaling").conf_int(interval="sequential")
    with pytest.raises(si.OptionError, match="target that stays"):
        si.lsa("y ~ x", data, forget=0.99, ci="sequential")
    with pytest.raises(si.OptionError, match="target that stays"):
        si.lsa("y ~ x", data, window=500).conf_int(interval="sequential")
    with pytest.raises(si.OptionError, match="look"):
        si.lsa("y ~ x", data, look=0)


@pytest.mark.slow
def test_sequence_covers_at_all_looks():
    """Misses at any look are at most 5 %, with three Monte Carlo errors; those of pointwise intervals are many."""
    runs, misses = 200, {"sequential": 0, "normal": 0}
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=6000)
        fit = si.lsa("y ~ x", {"x": x, "y": x / 2 + rng.standard_t(5, 6000)}, method="renewable", look=1000, chunk=256)
        for kind in misses:
            path = fit.path(interval=kind)
            path = path[path.term == "x"]
            misses[kind] += not ((path.conf_low <= 0.5) & (path.conf_high >= 0.5)).all()
    assert misses["sequential"] / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert misses["normal"] / runs > 0.15
