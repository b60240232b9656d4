"""One pass is near the batch fit, or says that it is not: designs that upset stochastic approximation."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.stochastic.engine import advance, draws, settle
from statinf.stochastic.pilot import adapt
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings
from statinf.stochastic.state import State

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

N = 6000


def designs():
    rng = np.random.default_rng(11)
    x, e = rng.normal(size=N), rng.normal(size=N)
    rare = (rng.random(N) < 0.005).astype(float)
    heavy, tail = np.exp(2 * rng.normal(size=N)), rng.standard_t(2.5, size=N)
    year, income = rng.integers(1990, 2021, N).astype(float), np.exp(10 + 0.8 * rng.normal(size=N))
    twin = x + 2e-5 * rng.normal(size=N)
    return {
        "rare dummy": {"y": 1 + x + 2 * rare + e, "x": x, "z": rare},
        "lognormal": {"y": 1 + 0.5 * heavy + e, "x": heavy},
        "t(2.5)": {"y": 1 + tail + e, "x": tail},
        "far mean": {"y": 1 + x + e, "x": 1e4 + x},
        "units": {"y": 0.01 * (year - 2000) + 1e-5 * income + e, "x": year, "z": income},
        "near twins": {"y": 1 + x + twin + e, "x": x, "z": twin},
        "far outcome": {"y": 1e4 + x + e, "x": x},
    }


@pytest.mark.parametrize("name", list(designs()))
@pytest.mark.parametrize("loss", ["squared", "quantile"])
def test_defaults_are_within_three_batch_standard_errors_or_raise(name, loss):
    data = pd.DataFrame(designs()[name])
    formula = "y ~ " + " + ".join(c for c in data if c != "y")
    batch = si.lm(formula, data) if loss == "squared" else si.rq(formula, data, vcov="iid")
    refused = 0
    for order in range(3):
        try:
            fit = si.lsa(formula, data.sample(frac=1.0, random_state=order), loss=loss, replicas=0)
        except si.ConvergenceError:
            refused += 1
            continue
        assert (np.abs(fit.theta - batch.theta) < 3 * batch.std_errors.to_numpy()).all()
    assert refused == 0 or name == "lognormal"


def test_where_a_column_stands_does_not_matter():
    data = pd.DataFrame(designs()["rare dummy"])
    fit = si.lsa("y ~ x + z", data, replicas=128)
    far = si.lsa("y ~ x + z", data.assign(x=data["x"] + 1e6), replicas=128)
    # 1e6 of a column of spread one costs six of sixteen digits, and the recursion a few more.
    assert far.theta[1:] == pytest.approx(fit.theta[1:], rel=1e-6)
    assert far.std_errors.to_numpy()[1:] == pytest.approx(fit.std_errors.to_numpy()[1:], rel=1e-6)


def rows_with_a_late_direction(n=2000, first=1100):
    rng = np.random.default_rng(5)
    z = np.where(np.arange(n) >= first, (rng.random(n) < 0.2).astype(float), 0.0)
    x = np.column_stack([np.ones(n), rng.normal(size=n), z])
    return StreamRows.of(x, x, x @ [1.0, 1.0, 30.0] + rng.normal(size=n))


def default_settings(rows, replicas=70, **options):
    tuned = adapt(
        rows.F[:500], rows.G[:500], rows.c[:500], n=len(rows), step=None, burn_in=None, law="mammen", loss="squared", tau=0.5,
        instruments=False, start=None, power=2 / 3,
    )  # fmt: skip
    names = (
        "c0",
        "k0",
        "power",
        "burn_in",
        "start",
        "left",
        "right",
        "tolerance",
        "matrix",
        "curvature",
        "bound",
        "scale",
    )
    return Settings(d=3, replicas=replicas, **{name: getattr(tuned, name) for name in names}, **options)


@pytest.mark.parametrize("keep", [("hac",), ("hac", "random-scaling", "batch-means")])
@pytest.mark.parametrize("cuts", [(1,), (256, 512), (100, 1101, 1300, 1999)])
def test_blocks_do_not_change_a_bit_of_an_adaptive_run(cuts, keep):
    rows = rows_with_a_late_direction()
    s = default_settings(rows, keep=keep, lags=3)
    whole = settle(s, advance(s, State.start(s), rows))
    state = State.start(s)
    for a, b in zip((0, *cuts), (*cuts, len(rows)), strict=True):
        state = advance(s, State.from_arrays(state.arrays()), rows[a:b])
    parts = settle(s, state)
    for name, value in whole.arrays().items():
        assert np.array_equal(value, parts.arrays()[name]), name


def test_the_adaptive_recursion_is_the_one_written_out():
    """Up to the first new preconditioner: row k takes alpha / (1 + alpha w h) with w the largest multiplier."""
    rng = np.random.default_rng(6)
    x = np.column_stack([np.ones(700), rng.normal(50, 3, size=700), rng.standard_t(2.5, size=700)])
    rows = StreamRows.of(x, x, x @ [1.0, -1.0, 2.0] + rng.normal(size=700))
    s = default_settings(rows, replicas=0)
    state = settle(s, advance(s, State.start(s), rows))
    g = x @ s.right
    theta, total = s.start.copy(), np.zeros(3)
    for k in range(700):
        p = s.matrix @ g[k]
        alpha = s.c0 * (s.k0 + k + 1) ** -s.power
        theta = theta - alpha / (1 + alpha * s.bound * (p @ g[k])) * p * (g[k] @ theta - rows.c[k])
        total += theta if k >= s.burn_in else 0
    assert state.mean == pytest.approx(total / (700 - s.burn_in), abs=1e-10)


def test_a_direction_that_appears_late_starts_where_the_rows_so_far_say():
    rows = rows_with_a_late_direction()
    s = default_settings(rows)
    state = settle(s, advance(s, State.start(s), rows))
    exact = np.linalg.lstsq(rows.G, rows.c, rcond=None)[0]
    assert np.abs(s.carried(state.mean) - exact).max() < 0.2  # z has 180 rows: a standard error of .08
    assert state.origin.tolist()[:2] == [s.burn_in] * 2 and state.origin[2] == 1280
    spread = s.carried(draws(s, state)).std(axis=0, ddof=1)
    assert 0.03 < spread[2] < 0.3


def test_rows_set_aside_at_a_restart_are_in_no_sum_of_the_noise():
    """What the sums of the noise hold without the rows kept is a sum of squares again."""
    rows = rows_with_a_late_direction()
    s = default_settings(rows, replicas=0)
    state = settle(s, advance(s, State.start(s), rows))
    top = state.extremes
    late = top.number > s.burn_in
    aside = late & (top.number > 1024) & (top.number <= 1280) & (rows.G[top.number - 1, 2] != 0.0)
    assert aside.sum() > 20 and (top.slope[aside] == 0.0).all()
    met = top.F[late] * top.slope[late, None]
    left = np.linalg.eigvalsh(state.sums.noise - met.T @ met)
    assert left.min() > -1e-9 * left.max()


def test_a_logistic_average_keeps_to_its_root_however_long_the_stream():
    """Steps scaled to the length of the stream alone left this coefficient more than two standard errors off."""
    rng = np.random.default_rng(200_000)
    x = rng.normal(size=200_000)
    y = (rng.random(200_000) < 1 / (1 + np.exp(-(1.5 * x - 0.3)))).astype(float)
    data = pd.DataFrame({"y": y, "x": x})
    fit, batch = si.lsa("y ~ x", data, loss="logistic", replicas=0), si.glm("y ~ x", data, family="binomial")
    assert np.abs((fit.theta - batch.theta) / batch.std_errors.to_numpy()).max() < 1.0


def test_figures_when_the_average_is_not_the_root():
    said = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.exp(2 * rng.normal(size=2000))
        try:
            si.lsa("y ~ x", {"y": x + rng.normal(size=2000), "x": x}, replicas=0)
        except si.ConvergenceError as error:
            said.append(str(error))
    assert any("standard errors away from the root" in text for text in said) and len(said) < 6
    rng = np.random.default_rng(0)
    lone = np.zeros(2000)
    lone[1500] = 1.0
    with pytest.raises(si.ConvergenceError, match="no averaged row tells 'z' apart"):
        si.lsa("y ~ z", {"y": rng.normal(size=2000), "z": lone}, replicas=0)


@pytest.mark.parametrize("n", [500, 2000])
def test_separated_outcomes_are_refused(n):
    x = np.random.default_rng(1).normal(size=n)
    with pytest.raises(si.ConvergenceError, match="separated"):
        si.lsa("y ~ x", {"y": (x > 0).astype(float), "x": x}, loss="logistic", replicas=0)


def test_given_steps_that_do_not_converge_warn_with_figures():
    rng = np.random.default_rng(2)
    x = rng.normal(size=3000)
    with pytest.warns(si.StatinfWarning, match="has not converged"):
        si.lsa("y ~ x", {"y": 100 + x + rng.normal(size=3000), "x": x}, step={"c0": 0.01, "k0": 0}, replicas=0)
