import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.datasets.dgp.garnet import garnet

# Short runs are meant here; what warns, and when, is tested in test_bad_input.
pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")

FORMULA = "reward ~ 0 + C(state)"


@pytest.fixture(scope="module")
def moves():
    return si.datasets.simulate("garnet", 12_000, seed=3)


@pytest.fixture(scope="module")
def trajectory():
    return si.datasets.simulate("garnet", 12_000, seed=4, trajectory=True)


def lstd_by_hand(state, following, reward, discount, ended=None):
    phi, after = np.eye(10)[state], np.eye(10)[following]
    after = after if ended is None else np.where(ended[:, None], 0.0, after)
    A, b = phi.T @ (phi - discount * after), phi.T @ reward
    theta = np.linalg.solve(A, b)
    e = (phi - discount * after) @ theta - reward
    inverse = np.linalg.inv(A)
    return theta, inverse @ (phi.T * e**2) @ phi @ inverse.T


def test_lstd_is_the_solution_of_its_equations(moves):
    fit = si.td(FORMULA, moves, next="next_state", discount=0.9, method="lstd")
    theta, cov = lstd_by_hand(moves["state"], moves["next_state"], moves["reward"].to_numpy(), 0.9)
    assert fit.theta == pytest.approx(theta, abs=1e-10)
    assert fit.with_vcov("HC0").vcov.to_numpy() == pytest.approx(cov, rel=1e-9, abs=1e-14)


def test_td_is_near_lstd_and_covers_the_truth(moves):
    fit = si.td(FORMULA, moves, next="next_state", discount=0.9, replicas=999)
    lstd = si.td(FORMULA, moves, next="next_state", discount=0.9, method="lstd")
    assert np.abs((fit.theta - lstd.theta) / lstd.std_errors).max() < 1.5
    truth = np.array(moves.attrs["truth"]["value"])
    # All ten values at once, at a level that a correct method passes 999 times in 1000.
    limits = fit.conf_int(0.999, ci="simultaneous").to_numpy()
    assert ((limits[:, 0] <= truth) & (truth <= limits[:, 1])).all()


def test_plugin_variance_is_that_of_the_exact_constants():
    g = garnet()
    moves = si.datasets.simulate("garnet", 60_000, seed=5)
    fit = si.td(FORMULA, moves, next="next_state", discount=0.9, replicas=0)
    exact = np.sqrt(np.diag(g.limit_covariance()) / fit.averaged)
    # The rarest state has 2,300 averaged visits: a relative error of its variance of about sqrt(2 / 2300) = 3 %.
    assert np.abs(fit.std_errors.to_numpy() / exact - 1).max() < 0.06


def test_the_recursion_is_the_one_written_out(moves):
    rows = moves[:900]
    fit = si.td(
        FORMULA, rows, next="next_state", discount=0.9, step={"c0": 4, "k0": 20, "power": 0.5}, burn_in=200, replicas=0
    )
    theta, total = np.zeros(10), np.zeros(10)
    for k, (s, t, r) in enumerate(rows[["state", "next_state", "reward"]].itertuples(index=False), start=1):
        theta[int(s)] += 4 / np.sqrt(20 + k) * (r + 0.9 * theta[int(t)] - theta[int(s)])
        total += theta if k > 200 else 0
    assert fit.theta == pytest.approx(total / 700, abs=1e-12)


def test_next_states_in_every_form(moves):
    rows = moves[:2000].assign(a=moves["state"] % 3, next_a=moves["next_state"] % 3)
    formula = "reward ~ C(a) + state"
    fits = [
        si.td(formula, rows, next=form, discount=0.5, replicas=0).theta
        for form in ("next_{}", {"a": "next_a", "state": "next_state"}, ["next_a", "next_state"])
    ]
    assert np.array_equal(fits[0], fits[1]) and np.array_equal(fits[0], fits[2])


def test_next_rows_of_a_trajectory_are_its_next_states(trajectory):
    tuned = si.td(FORMULA, trajectory[:-1], next="next_state", discount=0.9, sampling="markov")
    same = {"burn_in": tuned.run.settings.burn_in, "step": steps(tuned), "start": np.zeros(10), "sampling": "markov"}
    named = si.td(FORMULA, trajectory[:-1], next="next_state", discount=0.9, **same)
    rows = si.td(FORMULA, trajectory, discount=0.9, **same)
    assert rows.nobs == named.nobs and rows.inference == "hac"
    assert np.array_equal(rows.theta, named.theta) and np.array_equal(rows.std_errors, named.std_errors)


def steps(fit):
    s = fit.run.settings
    return {"c0": s.c0, "k0": s.k0, "power": s.power}


@pytest.mark.parametrize("trace", [0.0, 0.7])
def test_blocks_of_a_trajectory_are_one_trajectory(trajectory, trace):
    options = {
        "discount": 0.9,
        "sampling": "markov",
        "trace": trace,
        "inference": ("hac", "multiplier"),
        "replicas": 64,
    }
    whole = si.td(FORMULA, trajectory, **options)
    parts = si.td(FORMULA, (trajectory[i : i + 777] for i in range(0, 12_000, 777)), expected_rows=12_000, **options)
    assert np.array_equal(whole.theta, parts.theta)
    for name in whole.covariances:
        assert np.array_equal(whole.covariances[name], parts.covariances[name])


def test_update_goes_on_within_an_episode(trajectory, tmp_path):
    options = {
        "discount": 0.9,
        "sampling": "markov",
        "trace": 0.5,
        "step": {"c0": 4, "k0": 100},
        "burn_in": 1000,
        "lags": 10,
    }
    whole = si.td(FORMULA, trajectory, **options)
    half = si.td(FORMULA, trajectory[:5001], **options)
    again = si.load(half.save(tmp_path / "td.si"))
    for fit in (half, again):
        later = fit.update(trajectory[5001:])
        assert np.array_equal(later.theta, whole.theta) and np.array_equal(later.std_errors, whole.std_errors)


def walks(count, seed):
    """Random walks on 0..4 that end at either edge with reward 1 on the right: values (1, ..., 3) / 4 inside."""
    rng, rows = np.random.default_rng(seed), []
    for episode in range(count):
        s = 2
        while True:
            t = s + rng.choice([-1, 1])
            rows.append((episode, s, t, float(t == 4), t in (0, 4)))
            if t in (0, 4):
                break
            s = t
    return pd.DataFrame(rows, columns=["walk", "s", "t", "reward", "end"])


@pytest.mark.parametrize("trace", [0.0, 0.9])
def test_episodes_end_in_terminal_states(trace):
    data = walks(3000, 6)
    fits = [
        si.td(
            "reward ~ 0 + C(s)",
            data,
            next=form,
            discount=0.999999,
            id="walk",
            terminal="end",
            sampling="markov",
            trace=trace,
            method=m,
        )
        for m in ("td", "lstd")
        for form in ("t", None)
    ]
    for fit in fits:
        assert fit.nobs == len(data)
        assert np.abs((fit.theta - [0.25, 0.5, 0.75]) / fit.std_errors).max() < 4
    assert np.array_equal(fits[0].theta, fits[1].theta) and np.array_equal(fits[2].theta, fits[3].theta)
    assert fits[2].cov.kind == "episode"


def test_off_policy_weights_reach_the_target_policy():
    g = garnet()
    rng = np.random.default_rng(7)
    state = rng.choice(10, size=40_000, p=g.stationary)
    action = rng.integers(0, 2, size=40_000)
    following = (np.cumsum(g.kernel[action, state], axis=1) <= rng.random(40_000)[:, None]).sum(axis=1)
    data = pd.DataFrame({
        "state": state, "next_state": following.clip(0, 9), "reward": g.rewards[action, state],
        "ratio": g.policy[action, state] / 0.5,
    })  # fmt: skip
    fit = si.td(FORMULA, data, next="next_state", discount=0.9, rho="ratio", replicas=0)
    lstd = si.td(FORMULA, data, next="next_state", discount=0.9, rho="ratio", method="lstd")
    assert np.abs((lstd.theta - g.value) / lstd.std_errors).max() < 4
    assert np.abs((fit.theta - g.value) / fit.std_errors).max() < 4


def test_an_unstable_mean_matrix_names_lstd():
    # Tsitsiklis and Van Roy's two states, w and 2w, always updated off policy at the first.
    n = 4000
    data = pd.DataFrame(
        {"phi": np.ones(n), "after": np.full(n, 2.0), "reward": np.random.default_rng(8).normal(size=n)}
    )
    options = {"next": "after", "discount": 0.9, "step": {"c0": 0.01}}
    with pytest.raises(si.NotIdentifiedError, match=r"not stable.*lstd"):
        si.td("reward ~ 0 + phi", data, **options)
    fit = si.td("reward ~ 0 + phi", data, next="after", discount=0.9, method="lstd")
    assert fit.theta[0] == pytest.approx(data["reward"].mean() / (1 - 1.8))


def test_states_that_no_row_visits_are_missing(moves):
    fit = si.td(FORMULA, moves, next="next_state", discount=0.9, replicas=128, levels={"state": range(11)})
    assert fit.terms[10] == "C(state)[10]"
    assert np.isnan(fit.theta[10]) and np.isfinite(fit.theta[:10]).all() and np.isfinite(fit.std_errors[:10]).all()
    assert "aliased" in repr(fit) or "not visited" in repr(fit)
    assert np.isnan(fit.predict(pd.DataFrame({"state": [10, 3]}))["estimate"]).tolist() == [True, False]


def test_gaps_and_wrong_columns(moves, trajectory):
    holes = trajectory[:5000].copy()
    holes.loc[100, "reward"] = np.nan
    with pytest.warns(si.StatinfWarning, match="left out"):
        fit = si.td(FORMULA, holes, discount=0.9, sampling="markov")
    assert fit.nobs == 5000 - 1 - 1 - 1  # the gap, the row before it without a next one, the last row
    with pytest.raises(si.DataError, match="level"):
        si.td(FORMULA, moves.assign(next_state=99), next="next_state", discount=0.9)
    with pytest.raises(si.OptionError, match="next="):
        si.td(FORMULA, moves, discount=0.9)
    with pytest.raises(si.OptionError, match="discount"):
        si.td(FORMULA, moves, next="next_state", discount=1.0)
    with pytest.raises(si.OptionError, match="trace"):
        si.td(FORMULA, moves, next="next_state", discount=0.9, trace=0.5)
    with pytest.raises(si.DataError, match="nowhere"):
        si.td(FORMULA, moves, next="nowhere", discount=0.9)


def test_multipliers_along_a_trajectory_warn(trajectory):
    with pytest.warns(si.StatinfWarning, match="hac"):
        si.td(FORMULA, trajectory, discount=0.9, sampling="markov", inference="multiplier", replicas=128)


def test_lstd_keeps_influence_values_and_refuses_what_needs_rows(moves, trajectory, tmp_path):
    fit = si.td(FORMULA, moves, next="next_state", discount=0.9, method="lstd")
    assert fit.influence.T @ fit.influence == pytest.approx(fit.with_vcov("HC0").vcov.to_numpy(), rel=1e-9, abs=1e-14)
    assert fit.bootstrap(499, seed=1).std_errors.to_numpy() == pytest.approx(fit.std_errors.to_numpy(), rel=0.15)
    again = si.load(fit.save(tmp_path / "fit.si"))
    assert again.with_vcov("hac").cov.label == fit.with_vcov("hac").cov.label
    along = si.td(FORMULA, trajectory, discount=0.9, sampling="markov", method="lstd")
    asks = (
        lambda: fit.bootstrap(99, kind="pairs"), lambda: fit.predict(), lambda: si.joint(fit, fit), lambda: again.influence,
        lambda: along.bootstrap(99),
    )  # fmt: skip
    for ask in asks:
        with pytest.raises(si.NotIdentifiedError):
            ask()
    with pytest.raises(si.OptionError, match="no clustered standard errors here; choose one of 'hac'"):
        fit.with_vcov({"cluster": "state"})


def test_intervals_of_values_say_from_which_n_they_cover(moves):
    with pytest.warns(si.StatinfWarning, match="'multiplier' needs an average over more than one relaxation time"):
        fit = si.td(FORMULA, moves[:3000], next="next_state", discount=0.9, replicas=128, step={"k0": 30})
    assert "n = 1,000" in fit.cov.label and "n = 1,000" in fit.with_vcov("plugin").cov.label
    for kind, says in (("batch-means", "20 to 75 %"), ("random-scaling", "covers from n = 30,000")):
        with pytest.warns(si.StatinfWarning, match=says):
            si.td(FORMULA, moves[:3000], next="next_state", discount=0.9, replicas=0, inference=kind)
    spans = [
        si.td(FORMULA, moves[:3000], next="next_state", discount=0.9, replicas=0, **more).diagnosed["relaxations"]
        for more in ({}, {"step": {"k0": 30}})
    ]
    assert spans[0] > 1.5 > 1.0 > spans[1]


@pytest.mark.parametrize("change", [lambda v: v + 1e6, lambda v: v * 1e-6])
def test_the_place_and_the_unit_of_a_feature_do_not_matter(change):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 600))
    data = {"y": x + z + rng.normal(size=600), "x": x, "z": z, "x_next": 0.5 * x, "z_next": 0.3 * z}
    moved = data | {"x": change(x), "x_next": change(data["x_next"])}
    for options in ({"replicas": 64}, {"method": "lstd"}):
        one, two = (si.td("y ~ x + z", d, next=["x_next", "z_next"], discount=0.5, **options) for d in (data, moved))
        first, second = (fit.predict(d, interval="confidence") for fit, d in ((one, data), (two, moved)))
        np.testing.assert_allclose(second, first, rtol=1e-6, atol=1e-7)


def ending_walks(episodes, seed=0):
    """Walks on 1, ..., 5 that end left of 1 with reward 0 and right of 5 with reward 1: state s is worth s / 6."""
    rng = np.random.default_rng(seed)
    rows = []
    for episode in range(episodes):
        state = 3
        while 0 < state < 6:
            after = state + (1 if rng.random() < 0.5 else -1)
            end = after in (0, 6)
            rows.append((episode, state, min(max(after, 1), 5), float(after == 6), int(end)))
            state = after
    return pd.DataFrame(rows, columns=["episode", "state", "after", "reward", "end"])


def test_undiscounted_values_of_episodes_that_end():
    data, options = ending_walks(300), {"discount": 1, "method": "lstd", "sampling": "markov", "terminal": "end"}
    fit = si.td("reward ~ 0 + C(state)", data, next="after", id="episode", **options)
    assert (abs(fit.theta - np.arange(1, 6) / 6) < 4 * fit.std_errors).all()
    # With full traces the equations are those of the episodes' sums of rewards, regressed on the features.
    sums = data.assign(total=data.groupby("episode").reward.transform("sum"))
    traced = si.td("reward ~ state", data, id="episode", trace=1, **options)
    np.testing.assert_allclose(traced.theta, si.lm("total ~ state", sums).theta, atol=1e-10)
    batch = si.lm("total ~ state", sums, vcov={"cluster": "episode"})
    np.testing.assert_allclose(traced.std_errors, batch.std_errors, rtol=1e-3)
    far = si.td("reward ~ state", data.assign(state=data.state + 1e7), id="episode", trace=1, **options)
    np.testing.assert_allclose(far.theta[1], traced.theta[1], rtol=1e-7)


def test_undiscounted_values_without_an_end_are_refused():
    data, options = ending_walks(20), {"next": "after", "discount": 1, "sampling": "markov", "id": "episode"}
    with pytest.raises(si.OptionError, match="method='lstd' with terminal="):
        si.td("reward ~ state", data, terminal="end", **options)
    with pytest.raises(si.NotIdentifiedError, match="name the column"):
        si.td("reward ~ state", data, method="lstd", **options)
    for formula, said in (("reward ~ state", "Intercept"), ("reward ~ 0 + C(state)", r"C\(state\)\[1\]")):
        with pytest.raises(si.NotIdentifiedError, match=f"values along {said}.*no episode"):
            si.td(formula, data.assign(end=0), method="lstd", terminal="end", **options)
