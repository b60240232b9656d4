"""Informative visits: partial likelihoods against R's survival, stacked errors by refits, and bias that goes away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.survival.cox import fit_cox


def cox_rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Forty spells with ties, from remainders so that R has the same."""
    i = np.arange(1, 41)
    z = np.column_stack([(i * 7 % 11) / 5.0 - 1.0, (i * 5 % 13) / 6.0 - 1.0])
    start = (i * 3 % 5).astype(float)
    return z, start, start + 1 + i * i % 4, (i % 3 > 0) * 1.0


# R 4.2, survival 3.5.3: i <- 1:40; z1 <- (i*7) %% 11 / 5 - 1; z2 <- (i*5) %% 13 / 6 - 1; s <- (i*3) %% 5;
# e <- s + 1 + (i*i) %% 4
# f <- coxph(Surv(s, e, i %% 3 > 0) ~ z1 + z2, ties = ...); coef(f); f$loglik[2]; sqrt(diag(vcov(f))); residuals(f, "score")[1:2, ]
R = {
    "efron": {
        "coef": [-0.153277492419, 0.0622204723104],
        "loglik": -57.7786456838,
        "se": [0.312769173683, 0.34125177827],
        "score": [[0.266469703057, -0.165578861824], [-0.239694760372, 0.28352699607]],
    },
    "breslow": {
        "coef": [-0.133413427991, 0.0368907924467],
        "loglik": -63.5879751392,
        "se": [0.315093079682, 0.345022232821],
        "score": [[0.182224059029, -0.151616208675], [-0.143981719836, 0.205577135686]],
    },
}


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_partial_likelihood_is_that_of_r(ties: str) -> None:
    z, start, stop, event = cox_rows()
    found = fit_cox(z, start, stop, event, np.ones(40), ties=ties, tol=1e-18)
    wanted = R[ties]
    np.testing.assert_allclose(found.coef, wanted["coef"], atol=1e-9)
    assert found.loglik == pytest.approx(wanted["loglik"], abs=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(found.information))), wanted["se"], rtol=1e-7)
    np.testing.assert_allclose(found.scores[:2], wanted["score"], atol=1e-7)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_whole_weights_are_copies_without_ties_and_scores_are_derivatives(ties: str) -> None:
    z, start, stop, event = cox_rows()
    stop = stop + np.arange(40) / 1000.0
    w = 1.0 + np.arange(40) % 3
    if ties == "breslow":
        twice = np.repeat(np.arange(40), w.astype(int))
        copies = fit_cox(z[twice], start[twice], stop[twice], event[twice], np.ones(len(twice)), ties=ties, tol=1e-18)
        np.testing.assert_allclose(
            fit_cox(z, start, stop, event, w, ties=ties, tol=1e-18).coef, copies.coef, atol=1e-10
        )
    found = fit_cox(z, start, stop, event, w, ties=ties, tol=1e-18)
    for i in (2, 17, 38):
        up, down = w.copy(), w.copy()
        up[i], down[i] = w[i] + 1e-4, w[i] - 1e-4
        slope = (
            fit_cox(z, start, stop, event, up, ties=ties, tol=1e-18).coef
            - fit_cox(z, start, stop, event, down, ties=ties, tol=1e-18).coef
        ) / 2e-4
        np.testing.assert_allclose(
            np.linalg.solve(found.information, found.scores[i]) / w[i], slope, rtol=1e-5, atol=1e-9
        )


def visited(n: int, seed: int, gamma: float, days: int = 100) -> pd.DataFrame:
    """Y(t) = 1 + g / 2 + t / 100 + u + a(t); all seen on day 0, later the sooner the larger the last outcome was."""
    random = np.random.default_rng([n, seed])
    group = (random.random(n) < 0.5) * 1.0
    level = random.standard_normal(n)
    noise = random.standard_normal(n)
    rows = []
    last = np.zeros(n)
    for t in range(days):
        noise = noise if t == 0 else 0.9 * noise + np.sqrt(1 - 0.81) * random.standard_normal(n)
        y = 1 + 0.5 * group + t / 100 + level + noise
        seen = (
            random.random(n) < 1 - np.exp(-0.08 * np.exp(gamma * (last - 1.5) + 0.3 * group)) if t else np.ones(n, bool)
        )
        rows.append(pd.DataFrame({"id": np.flatnonzero(seen), "day": float(t), "y": y[seen], "g": group[seen]}))
        last = np.where(seen, y, last)
    return pd.concat(rows, ignore_index=True)


DATA = visited(60, 0, 0.4, 60)
CALL = {"visits": "~ lag(y) + g", "id": "id", "time": "day", "end": 59}


def test_errors_count_that_the_intensity_is_estimated() -> None:
    """Clustered influence is the derivative of the estimate in a unit's weight."""
    cases = [{}, {"stabilize": "~ g"}, {"ties": "breslow"}, {"visit_model": "cloglog"}]
    cases += [{"visit_model": "logit", "stabilize": "~ g"}, {"visit_model": "logit"}]
    for more in cases:
        fit = si.visits("y ~ g + day", DATA, **CALL, **more)
        codes = DATA["id"].to_numpy()
        sums = np.zeros((60, 3))
        np.add.at(sums, codes, fit.influence)
        for unit in (0, 31):
            moved = [
                si.visits("y ~ g + day", DATA, weights=np.where(codes == unit, w, 1.0), **CALL, **more).theta
                for w in (1 + 1e-4, 1 - 1e-4)
            ]
            np.testing.assert_allclose(sums[unit], (moved[0] - moved[1]) / 2e-4, rtol=2e-3, atol=1e-6)
        assert "weights estimated" in fit.cov.label


def test_weights_that_are_explained_are_one() -> None:
    fit = si.visits("y ~ g + day", DATA, **CALL, stabilize="~ lag(y) + g")
    np.testing.assert_allclose(fit.weights.values, 1.0, atol=1e-9)
    plain = si.glm("y ~ g + day", DATA, vcov={"cluster": "id"})
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-9)


def test_weights_are_inverse_intensities_of_the_past() -> None:
    fit = si.visits("y ~ g + day", DATA, **CALL)
    ordered = DATA.sort_values(["id", "day"])
    before = ordered.groupby("id")["y"].shift(1)
    gamma = fit.intensity.params
    log = -(gamma["lag(y)"] * before + gamma["g"] * ordered["g"])
    happened = before.notna()
    # First rows, which are by design, have the mean weight of the visits.
    wanted = (np.exp(log) / np.exp(log[happened]).mean()).where(happened, 1.0).reindex(DATA.index).to_numpy()
    np.testing.assert_allclose(fit.weights.full(), wanted, rtol=1e-9)
    again = si.glm("y ~ g + day", DATA, weights=fit.weights, vcov={"cluster": "id"})
    np.testing.assert_allclose(again.std_errors, fit.std_errors, rtol=1e-9)


def test_where_a_past_column_stands_does_not_matter() -> None:
    fit = si.visits("y ~ g + day", DATA, **CALL)
    for place in (10.0, 1e7):
        call = CALL | {"visits": "~ lag(z) + g"}
        moved = si.visits("y ~ g + day", DATA.assign(z=DATA["y"] + place), **call)
        np.testing.assert_allclose(moved.theta, fit.theta, rtol=1e-6)
        np.testing.assert_allclose(moved.std_errors, fit.std_errors, rtol=1e-6)


def test_the_bias_of_informative_visits_goes_away() -> None:
    """Intercept of the mean of everybody, in 24 samples."""
    found = {"plain": [], "weighted": []}
    for seed in range(24):
        data = visited(80, seed, 0.5)
        found["plain"].append(si.lm("y ~ g + day", data).theta[0])
        fit = si.visits("y ~ g + day", data, visits="~ lag(y) + g", id="id", time="day", end=99, stabilize="~ g")
        found["weighted"].append(fit.theta[0])
    error = np.std(found["weighted"]) / np.sqrt(24)
    assert np.mean(found["plain"]) - 1 > 5 * error
    assert abs(np.mean(found["weighted"]) - 1) < 3 * error


def test_units_at_risk_from_the_beginning_and_other_families() -> None:
    later = DATA[DATA["day"] > 0]
    fit = si.visits("y ~ g", later, visits="~ g", id="id", time="day", end=59, first=False)
    assert fit.intensity.events == len(later)
    counts = DATA.assign(c=np.round(np.exp(0.3 * DATA["y"])))
    poisson = si.visits("c ~ g + day", counts, **(CALL | {"visits": "~ log(lag(c) + 1)"}), family="poisson")
    assert poisson.family == "poisson" and np.isfinite(poisson.std_errors).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"visits": "~ y"}, si.FormulaError, r"lag\(y\)"),
        ({"visits": "~ lag(y + 1)"}, si.FormulaError, "name of a column"),
        ({"visits": "y ~ g"}, si.OptionError, "visits"),
        ({"visits": "~ 1"}, si.DataError, "no terms"),
        ({"end": 10}, si.DataError, "after the end"),
        ({"end": "nowhere"}, si.DataError, "nowhere"),
        ({"id": "nowhere"}, si.DataError, "nowhere"),
        ({"data": pd.concat([DATA, DATA.iloc[:1]], ignore_index=True)}, si.DataError, "one row per visit"),
        ({"data": DATA.assign(day=DATA["day"].where(DATA.index != 4))}, si.DataError, "missing in 1 rows"),
        ({"ties": "exact"}, si.OptionError, "ties"),
        ({"first": False}, si.DataError, "at risk from time 0"),
        ({"visits": "~ lag(y) + I(2 * lag(y))"}, si.DataError, "linearly dependent"),
    ],
    ids=[
        "outcome",
        "lag",
        "visits",
        "nothing",
        "end",
        "end column",
        "id",
        "twice",
        "time",
        "ties",
        "first",
        "dependent",
    ],
)
def test_what_cannot_be_done_is_said(call: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        si.visits(**({"formula": "y ~ g + day", "data": DATA} | CALL | call))


def test_columns_of_the_visit_itself_are_warned_about() -> None:
    with pytest.warns(si.StatinfWarning, match=r"write lag\(x\)"):
        si.visits("y ~ g", DATA.assign(x=np.arange(len(DATA)) % 7), **(CALL | {"visits": "~ lag(y) + x"}))


@pytest.mark.parametrize("link", ["cloglog", "logit"])
def test_days_are_a_binomial_regression(link: str) -> None:
    """Beside statsmodels, on days written out by a loop."""
    import statsmodels.api as sm

    from statinf.learners.spline import expand

    rows = []
    for _, unit in DATA.sort_values("day").groupby("id"):
        times, outcomes = unit["day"].to_numpy(), unit["y"].to_numpy()
        for day in range(1, 60):
            before = times < day
            rows.append((day, outcomes[before][-1], unit["g"].iloc[0], float(day in times)))
    day, last, group, seen = np.array(rows).T
    t = (day - 1) / 58
    base = expand(t[:, None], (np.quantile(t[seen > 0], np.linspace(0.02, 0.98, 5)),))
    columns = np.column_stack([np.ones(len(day)), base, last, group])
    family = sm.families.Binomial(getattr(sm.families.links, {"cloglog": "CLogLog", "logit": "Logit"}[link])())
    peer = sm.GLM(seen, columns, family=family).fit(tol=1e-13, maxiter=200)
    fit = si.visits("y ~ g + day", DATA, **CALL, visit_model=link)
    np.testing.assert_allclose(fit.intensity.params, peer.params[-2:], rtol=1e-6)
    iid = fit.intensity.with_vcov("iid").std_errors
    if link == "logit":
        # statsmodels has the expected information, ours is the observed one: the same for the canonical link.
        np.testing.assert_allclose(iid, peer.bse[-2:], rtol=1e-5)
    assert fit.intensity.loglik == pytest.approx(peer.llf, rel=1e-8)
    log = -np.log(peer.predict(columns)) if link == "logit" else -columns[:, -2:] @ peer.params[-2:]
    wanted = np.exp(log[seen > 0])
    order = DATA.reset_index().sort_values(["id", "day"]).query("day > 0")["index"].to_numpy()
    np.testing.assert_allclose(fit.weights.full()[order], wanted / wanted.mean(), rtol=1e-5)


def test_days_mend_what_ties_shrink() -> None:
    """Many visits share a day: Breslow's slope is too small, that of days is near the truth of 0.6."""
    found = {"breslow": [], "cloglog": []}
    for seed in range(8):
        data = visited(60, seed, 0.6, 60)
        for name in found:
            how = {"visit_model": "cloglog"} if name == "cloglog" else {"ties": name}
            found[name].append(si.visits("y ~ g + day", data, **CALL, **how).intensity.params["lag(y)"])
    error = np.std(found["cloglog"]) / np.sqrt(8)
    assert abs(np.mean(found["cloglog"]) - 0.6) < 4 * error
    assert np.mean(found["breslow"]) < np.mean(found["cloglog"]) - 4 * error


def test_clipped_intensities_bound_the_weights() -> None:
    free, held = (si.visits("y ~ g + day", DATA, **CALL, clip=clip) for clip in (None, 0.5))
    raw, w = free.weights.full()[DATA["day"] > 0], held.weights.full()[DATA["day"] > 0]
    capped = np.minimum(raw, 2.0)
    assert (raw > 2.0).any()
    np.testing.assert_allclose(w, capped / capped.mean(), rtol=1e-10)
    with pytest.raises(si.OptionError, match="clip"):
        si.visits("y ~ g + day", DATA, **CALL, clip=2.0)


def test_days_are_whole_and_have_their_own_baseline() -> None:
    with pytest.raises(si.DataError, match="whole days"):
        si.visits("y ~ g", DATA.assign(day=DATA["day"] + 0.5), **(CALL | {"end": 60}), visit_model="cloglog")
    with pytest.raises(si.DataError, match="time alone"):
        si.visits("y ~ g", DATA, **(CALL | {"visits": "~ lag(y) + day"}), visit_model="logit")
