"""Randomisation tests against refits of every assignment."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

import statinf as si


def experiment(n: int = 12, seed: int = 2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    block, pair = np.arange(n) // 4, np.arange(n) // 2
    t = np.tile([1.0, 0.0, 0.0, 1.0], n // 4)
    x = random.standard_normal(n)
    y = 0.8 * t + x + random.standard_normal(n) * (1 + t)
    return pd.DataFrame(
        {
            "y": y,
            "t": t,
            "x": x,
            "block": block,
            "pair": pair,
            "w": random.uniform(0.5, 2, n),
            "p": (pair % 2).astype(float),
        }
    )


DATA = experiment()


def refit(y: np.ndarray, t: np.ndarray, vcov: str = "HC1", codes=None, weights=None) -> tuple[float, float]:
    """Coefficient of the treatment and its standard error by normal equations."""
    root = np.ones(12) if weights is None else np.sqrt(weights)
    x = np.column_stack([np.ones(12), t, DATA["x"]]) * root[:, None]
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ (y * root)
    e = y * root - x @ beta
    h = np.einsum("ij,jk,ik->i", x, inverse, x)
    if vcov == "iid":
        return beta[1], np.sqrt(inverse[1, 1] * (e @ e) / 9)
    scores = x * (e / np.sqrt(1 - h) if vcov == "HC2" else e)[:, None]
    factor = 12 / 9 if vcov == "HC1" else 1.0
    if codes is not None:
        scores = np.stack([scores[codes == g].sum(axis=0) for g in range(6)])
        factor = 6 / 5 * 11 / 9
    return beta[1], np.sqrt(factor * (inverse @ scores.T @ scores @ inverse)[1, 1])


def direct(assignments, name="t", null=0.0, statistic="t", **options):
    """Share of assignments whose statistic under the sharp null hypothesis is as extreme as that of the sample."""
    base = DATA["y"].to_numpy() - null * DATA[name].to_numpy()
    found = np.array([refit(base, t, **options) for t in assignments])
    estimate, error = refit(DATA["y"].to_numpy(), DATA[name].to_numpy(), **options)
    own = estimate - null if statistic == "estimate" else (estimate - null) / error
    drawn = found[:, 0] if statistic == "estimate" else found[:, 0] / found[:, 1]
    return np.mean(np.abs(drawn) >= abs(own) * (1 - 1e-9)), np.mean(drawn >= own - 1e-9)


def complete() -> list[np.ndarray]:
    return [np.isin(np.arange(12), chosen).astype(float) for chosen in combinations(range(12), 6)][::9]


HALVES = [np.isin(np.arange(4), chosen).astype(float) for chosen in combinations(range(4), 2)]
BLOCKED = [np.concatenate(parts) for parts in product(HALVES, repeat=3)]


@pytest.mark.parametrize("vcov", ["HC2", "iid", {"cluster": "pair"}])
def test_every_assignment_within_blocks(vcov):
    fit = si.lm("y ~ t + x", DATA, vcov=vcov) if vcov == "HC2" else _quiet(vcov)
    found = fit.randomization_test("t", by="block", null=0.3)
    how = {"codes": DATA["pair"].to_numpy()} if isinstance(vcov, dict) else {"vcov": vcov}
    two, upper = direct(BLOCKED, null=0.3, **how)
    assert found.enumerated and found.draws == 216 and found.units == 12
    assert found.p_value == pytest.approx(two)
    assert fit.randomization_test("t", by="block", null=0.3, side="greater").p_value == pytest.approx(upper)
    np.testing.assert_allclose(found.statistic, (fit.params["t"] - 0.3) / fit.std_errors["t"], rtol=1e-9)


def _quiet(vcov):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return si.lm("y ~ t + x", DATA, vcov=vcov)


pytestmark = pytest.mark.filterwarnings("ignore:.*clusters:statinf.StatinfWarning")


def test_the_estimate_as_the_statistic_with_weights():
    fit = si.lm("y ~ t + x", DATA, weights="w")
    found = fit.randomization_test("t", by="block", statistic="estimate")
    assert found.p_value == pytest.approx(direct(BLOCKED, statistic="estimate", weights=DATA["w"].to_numpy())[0])
    assert found.studentized == "" and found.statistic == pytest.approx(fit.params["t"])


def test_clusters_are_assigned_as_a_whole():
    assignments = [np.repeat(np.isin(np.arange(6), c).astype(float), 2) for c in combinations(range(6), 3)]
    found = si.lm("y ~ p + x", DATA).randomization_test("p", cluster="pair")
    assert found.draws == 20 and found.units == 6 and "clusters of pair" in found.design
    assert found.p_value == pytest.approx(direct(assignments, name="p", codes=DATA["pair"].to_numpy())[0])


def test_random_assignments_count_the_one_that_happened():
    fit = si.lm("y ~ t + x", DATA, vcov="HC2")
    found = fit.randomization_test("t", permutations=199, seed=4)
    assert not found.enumerated and found.draws == 199
    assert (found.p_value * 200) % 1 == pytest.approx(0, abs=1e-9) and found.p_value >= 1 / 200
    exact = direct(complete(), vcov="HC2")[0]
    assert abs(found.p_value - exact) < 5 * np.sqrt(exact * (1 - exact) * (1 / 199 + 1 / len(complete())))
    assert found.p_value == fit.randomization_test("t", permutations=199, seed=4).p_value
    assert fit.randomization_test("t", permutations=640, seed=4).null_draws.numerator[:199] == pytest.approx(
        found.null_draws.numerator
    )


@pytest.mark.parametrize("statistic", ["t", "estimate"])
def test_limits_are_where_the_p_value_crosses(statistic):
    fit = si.lm("y ~ t + x", DATA, vcov="HC2")
    found = fit.randomization_test("t", by="block", statistic=statistic, level=0.9)
    for limit, outward in ((found.conf_low, -1e-6), (found.conf_high, 1e-6)):
        inside, outside = (
            fit.randomization_test("t", by="block", statistic=statistic, null=limit + s * outward) for s in (-1, 1)
        )
        assert inside.p_value > 0.1 >= outside.p_value
    np.testing.assert_allclose(found.conf_int(0.9).iloc[0], [found.conf_low, found.conf_high])


def test_place_and_order_do_not_matter():
    want = si.lm("y ~ t + x", DATA).randomization_test("t", by="block")
    moved = DATA.assign(x=DATA["x"] + 1e7).sample(frac=1.0, random_state=3)
    absent = pd.concat([moved, moved.iloc[:2].assign(y=50.0)]).assign(w=np.r_[np.ones(12), np.zeros(2)])
    got = si.lm("y ~ t + x", absent, weights="w").randomization_test("t", by="block")
    np.testing.assert_allclose([got.p_value, got.conf_low], [want.p_value, want.conf_low], rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "options", "error", "message"),
    [
        ("y ~ t * x", {}, si.NotIdentifiedError, "t:x"),
        ("y ~ C(block) + t", {"treatment": "block"}, si.NotIdentifiedError, "columns"),
        ("y ~ t + x", {"treatment": "z"}, si.OptionError, "no coefficient"),
        ("y ~ t + x", {"cluster": "block"}, si.DataError, "varies within clusters"),
        ("y ~ p + x", {"treatment": "p", "by": "pair"}, si.DataError, "does not vary"),
        ("y ~ t + x", {"permutations": 3}, si.OptionError, "permutations"),
        ("y ~ t + x", {"statistic": "z"}, si.OptionError, "statistic"),
        ("y ~ t + x", {"null": "a"}, si.OptionError, "null"),
        ("y ~ t + x", {"replicas": 99}, si.OptionError, "it takes permutations"),
    ],
)
def test_bad_input(formula, options, error, message):
    with pytest.raises(error, match=message):
        si.lm(formula, DATA).randomization_test(**({"treatment": "t"} | options))


def test_designs_that_look_clustered_are_warned_of():
    fit = _quiet({"cluster": "pair"})
    with pytest.raises(si.OptionError, match="HC2"):
        fit.with_vcov({"cluster": "pair", "type": "HC3"}).randomization_test("t")
    with pytest.warns(si.StatinfWarning, match="whole clusters"):
        si.lm("y ~ p + x", DATA, cluster="pair").randomization_test("p", permutations=19)
    with pytest.raises(si.NotIdentifiedError, match="linear regressions"):
        si.glm("t ~ x", DATA, family="binomial").randomization_test("x")
