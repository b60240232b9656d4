"""Coverage of the intervals in small simulations, in binomial bands around the nominal level."""

import numpy as np
import pandas as pd
import pytest

import statinf as si

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")


def band(nominal, draws, width=3.5):
    return width * np.sqrt(nominal * (1 - nominal) / draws)


def test_regression_intervals_cover():
    """Five coefficients by 40 samples; correlation of coordinates within a sample is small here."""
    theta, runs, hits = np.linspace(0, 1, 5), 40, {"multiplier": 0, "plugin": 0, "hac": 0}
    joint = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(4000, 5))
        data = pd.DataFrame(x, columns=[f"x{j}" for j in range(5)])
        data["y"] = x @ theta + rng.normal(size=4000) * (1 + np.abs(x[:, 0]))
        fit = si.lsa("y ~ 0 + x0 + x1 + x2 + x3 + x4", data, replicas=128, seed=seed, inference=tuple(hits))
        for name in hits:
            limits = fit.with_vcov(name).conf_int().to_numpy()
            hits[name] += ((limits[:, 0] <= theta) & (theta <= limits[:, 1])).sum()
        joint += fit.region("ellipsoid").contains(theta)
    for name, count in hits.items():
        assert abs(count / (5 * runs) - 0.95) < band(0.95, 5 * runs), (name, count)
    assert abs(joint / runs - 0.95) < band(0.95, runs)


@pytest.mark.parametrize("loss", ["logistic", pytest.param("quantile", marks=pytest.mark.slow)])
def test_other_losses_cover(loss):
    runs, hits = 30, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(4000, 2))
        u = 0.3 + x @ [0.5, -0.5]
        y = (rng.random(4000) < 1 / (1 + np.exp(-u))).astype(float) if loss == "logistic" else u + rng.normal(size=4000)
        fit = si.lsa("y ~ a + b", {"y": y, "a": x[:, 0], "b": x[:, 1]}, loss=loss, replicas=128, seed=seed)
        limits = fit.conf_int().to_numpy()
        hits += ((limits[:, 0] <= [0.3, 0.5, -0.5]) & (limits[:, 1] >= [0.3, 0.5, -0.5])).sum()
    assert abs(hits / (3 * runs) - 0.95) < band(0.95, 3 * runs)


@pytest.mark.slow
def test_td_intervals_and_regions_cover():
    """The published Garnet problem at n = 6,400 averaged rows, steps 4 / (110 + k)^(1/2)."""
    runs, simultaneous, ball, marginal = 60, 0, 0, 0
    truth = None
    for seed in range(runs):
        moves = si.datasets.simulate("garnet", 12_800, seed=seed)
        truth = np.array(moves.attrs["truth"]["value"])
        step = {"c0": 4, "k0": 110, "power": 0.5}
        fit = si.td(
            "reward ~ 0 + C(state)",
            moves,
            next="next_state",
            discount=0.9,
            step=step,
            burn_in=0.5,
            replicas=128,
            seed=seed,
            start=truth * 0,
        )
        limits, every = fit.conf_int().to_numpy(), fit.conf_int(ci="simultaneous").to_numpy()
        marginal += ((limits[:, 0] <= truth) & (truth <= limits[:, 1])).mean()
        simultaneous += ((every[:, 0] <= truth) & (truth <= every[:, 1])).all()
        ball += fit.region("ball").contains(truth)
    for count in (marginal, simultaneous, ball):  # the ten values of a run move together: a run counts once
        assert abs(count / runs - 0.95) < band(0.95, runs)
