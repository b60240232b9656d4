"""The wild bootstrap against refits of every sign change, other software, and its own invariances."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

import statinf as si
from reference import FOLDER
from statinf.inference.inversion import NullDraws

pytestmark = pytest.mark.filterwarnings("ignore:.*clusters:statinf.StatinfWarning")


def sample(n: int = 60, groups: int = 6, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    g = np.arange(n) % groups
    x = random.standard_normal(n) + random.standard_normal(groups)[g]
    z, w = random.standard_normal(n), random.uniform(0.5, 2.0, n)
    y = 1.0 + 0.3 * x + z + random.standard_normal(n) + 0.5 * random.standard_normal(groups)[g]
    return pd.DataFrame({"y": y, "x": x, "z": z, "w": w, "g": np.array(list("fbadce"))[g]})


DATA = sample()
SIGNS = np.array(list(product([1.0, -1.0], repeat=6)))


class Direct:
    """Refits of y* by normal equations, with (I - H)^-p residuals cluster by cluster."""

    def __init__(self, data: pd.DataFrame, weights: np.ndarray | None = None) -> None:
        root = np.ones(len(data)) if weights is None else np.sqrt(weights)
        self.x = np.column_stack([np.ones(len(data)), data["x"], data["z"]]) * root[:, None]
        self.y = data["y"].to_numpy() * root
        self.codes = np.unique(data["g"], return_inverse=True)[1]
        self.inverse = np.linalg.inv(self.x.T @ self.x)

    def corrected(self, columns: np.ndarray, residual: np.ndarray, digit: str) -> np.ndarray:
        if digit == "1":
            return residual
        hat, out = columns @ np.linalg.pinv(columns.T @ columns) @ columns.T, residual.copy()
        for g in range(6):
            mine = self.codes == g
            values, vectors = np.linalg.eigh(np.eye(mine.sum()) - hat[np.ix_(mine, mine)])
            power = -0.5 if digit == "2" else -1.0
            out[mine] = vectors @ (values**power * (vectors.T @ residual[mine]))
        return out

    def wald(self, y: np.ndarray, matrix: np.ndarray, right: np.ndarray, digit: str) -> tuple[np.ndarray, np.ndarray]:
        beta = self.inverse @ self.x.T @ y
        e = self.corrected(self.x, y - self.x @ beta, digit)
        sums = np.stack([self.x[self.codes == g].T @ e[self.codes == g] for g in range(6)])
        n, k = self.x.shape
        factor = 6 / 5 * (n - 1) / (n - k) if digit == "1" else 1.0
        variance = factor * matrix @ self.inverse @ sums.T @ sums @ self.inverse @ matrix.T
        return matrix @ beta - right, variance

    def draws(self, matrix, right, variant="11", restricted=True):
        """Statistic of the sample and of each sign change: t of one restriction, Wald of several."""
        beta = self.inverse @ self.x.T @ self.y
        columns = self.x
        if restricted:
            inner = self.inverse @ matrix.T @ np.linalg.inv(matrix @ self.inverse @ matrix.T)
            beta = beta - inner @ (matrix @ beta - right)
            columns = self.x @ (np.eye(3) - inner @ matrix)
        u = self.corrected(columns, self.y - self.x @ beta, variant[0])
        centre = right if restricted else matrix @ beta

        def statistic(y, value):
            gap, variance = self.wald(y, matrix, value, variant[1])
            return gap[0] / np.sqrt(variance[0, 0]) if len(gap) == 1 else gap @ np.linalg.solve(variance, gap)

        drawn = np.array([statistic(self.x @ beta + u * v[self.codes], centre) for v in SIGNS])
        return statistic(self.y, right), drawn


X = np.array([[0.0, 1.0, 0.0]])


def share(drawn, own):
    return np.mean(np.abs(drawn) > np.abs(own) * (1 + 1e-9))


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("variant", ["11", "13", "31", "33", "22"])
def test_every_sign_change_against_refits(variant, restricted):
    found = si.lm("y ~ x + z", DATA, cluster="g").test("x = 0.1", bootstrap="wild", type=variant, restricted=restricted)
    own, drawn = Direct(DATA).draws(X, np.array([0.1]), variant, restricted)
    assert found.enumerated and found.draws == 64 and found.clusters == 6 and found.by == "g"
    np.testing.assert_allclose(found.statistic, own, rtol=1e-10)
    assert found.p_value == share(drawn, own)
    assert found.p_value_with_ties == np.mean(np.abs(drawn) >= np.abs(own) * (1 - 1e-9))
    np.testing.assert_allclose(
        np.sort(found.null_draws.statistics(found.estimate - 0.1)), np.sort(drawn), rtol=1e-7, atol=1e-10
    )


@pytest.mark.parametrize("interval", ["symmetric", "equal-tailed"])
def test_limits_are_where_the_p_value_of_refits_crosses(interval):
    fit = si.lm("y ~ x + z", DATA, cluster="g")
    found = fit.test("x", bootstrap="wild", interval=interval, level=0.8)
    direct = Direct(DATA)

    def p(null):
        own, drawn = direct.draws(X, np.array([null]))
        if interval == "symmetric":
            return share(drawn, own)
        slack = 1e-9 * abs(own)
        return 2 * min(np.mean(drawn > own + slack), np.mean(drawn < own - slack))

    for limit, outward in ((found.conf_low, -1e-6), (found.conf_high, 1e-6)):
        assert p(limit - outward) > 0.2 >= p(limit + outward)
    limits = fit.conf_int(0.8, bootstrap="wild", interval=interval)
    np.testing.assert_allclose(limits.loc["x"], [found.conf_low, found.conf_high])
    np.testing.assert_allclose(found.conf_int(0.8).iloc[0], limits.loc["x"])
    assert found.p_values([0.1])[0] == p(0.1)


def test_one_sided_tests_against_refits():
    own, drawn = Direct(DATA).draws(X, np.zeros(1))
    fit = si.lm("y ~ x + z", DATA, cluster="g")
    for side, more in (("greater", drawn > own + 1e-9), ("less", drawn < own - 1e-9)):
        found = fit.test("x = 0", bootstrap="wild", side=side)
        assert found.p_value == more.mean()
        assert np.isinf(found.conf_high if side == "greater" else found.conf_low)


def test_several_restrictions_and_weights_against_refits():
    matrix, right = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), np.array([0.2, 1.1])
    fit = si.lm("y ~ x + z", DATA, weights="w", cluster="g")
    found = fit.test("x = 0.2, x + z = 1.1", bootstrap="wild")
    own, drawn = Direct(DATA, DATA["w"].to_numpy()).draws(matrix, right)
    np.testing.assert_allclose(found.statistic, own / 2, rtol=1e-9)
    np.testing.assert_allclose(found.statistic, fit.test("x = 0.2, x + z = 1.1").statistic, rtol=1e-9)
    assert found.p_value == share(drawn, own) and np.isnan(found.conf_low) and "F = " in str(found)
    with pytest.raises(si.NotIdentifiedError, match="one restriction"):
        found.conf_set()


@pytest.mark.parametrize("case", json.loads((FOLDER / "wild" / "wildboottest.json").read_text())["tests"], ids=str)
def test_wildboottest(case):
    """All 2,048 sign changes of eleven firms.

    The sample itself and its mirror image tie with the statistic and do not exceed it; by rounding they do in one case there.
    """
    fit = si.lm("invest ~ value + capital", pd.read_csv(FOLDER / "data" / "grunfeld.csv"), cluster="firm")
    found = fit.test(case["term"], bootstrap="wild", type=case["type"], restricted=case["restricted"])
    assert found.draws == 2048
    np.testing.assert_allclose(found.statistic, case["statistic"], rtol=1e-8)
    ties = np.abs(np.abs(found.null_draws.statistics(found.estimate)) - abs(found.statistic)) < 1e-9
    assert (case["p"] - found.p_value) * 2048 in (0, ties.sum())
    assert ties.sum() == 2 * (case["type"] == "11" and case["restricted"])


def test_rows_are_clusters_of_one():
    data = DATA.assign(row=np.arange(len(DATA)))
    rows = si.lm("y ~ x + z", data, vcov="HC3").test("x = 0", bootstrap="wild", replicas=199, law="normal", type="33")
    own = si.lm("y ~ x + z", data, vcov={"cluster": "row", "type": "HC3"})
    clusters = own.test("x = 0", bootstrap="wild", replicas=199, law="normal", type="33")
    assert rows.clusters == 60 and rows.by == "" and "60 rows" in str(rows)
    np.testing.assert_allclose(
        [rows.statistic, rows.p_value, rows.conf_low], [clusters.statistic, clusters.p_value, clusters.conf_low]
    )
    np.testing.assert_allclose(rows.statistic, si.lm("y ~ x + z", data, vcov="HC3").statistics[1], rtol=1e-9)


def test_copies_are_rows_of_clusters():
    copies = np.arange(60) % 3
    options = {"bootstrap": "wild", "type": "33"}
    weighted = si.lm("y ~ x + z", DATA, weights=copies, weights_kind="frequency", cluster="g").test("x = 0", **options)
    repeated = si.lm("y ~ x + z", DATA.loc[DATA.index.repeat(copies)], cluster="g").test("x = 0", **options)
    np.testing.assert_allclose(
        [weighted.statistic, weighted.conf_low], [repeated.statistic, repeated.conf_low], rtol=1e-8
    )
    assert weighted.p_value == repeated.p_value
    with pytest.raises(si.NotIdentifiedError, match="stands for several"):
        si.lm("y ~ x + z", DATA, weights=copies, weights_kind="frequency").test("x = 0", bootstrap="wild")


def test_absorbed_effects_within_clusters():
    """The bootstrap of effects that lie within clusters is that of their dummies."""
    data = sample(120).assign(h=lambda d: d["g"] + (np.arange(120) // 6 % 4).astype(str))
    options = {"bootstrap": "wild", "type": "11"}
    absorbed = si.lm("y ~ x + z", data, absorb="h", cluster="g")
    dummies = si.lm("y ~ x + z + C(h)", data, cluster="g").test("x = 0", **options)
    found = absorbed.test("x = 0", **options)
    assert found.p_value == dummies.p_value
    np.testing.assert_allclose([found.conf_low, found.conf_high], [dummies.conf_low, dummies.conf_high], rtol=1e-7)
    np.testing.assert_allclose(found.statistic, absorbed.statistics[absorbed.terms.index("x")], rtol=1e-9)
    across = si.lm("y ~ x + z", data.assign(h=np.arange(120) % 7), absorb="h", cluster="g")
    for call in (lambda: across.test("x = 0", bootstrap="wild"), lambda: across.conf_int(bootstrap="wild")):
        with pytest.raises(si.NotIdentifiedError, match="effects of h in every replica"):
            call()
    with pytest.raises(si.NotIdentifiedError, match="absorbed effects"):
        absorbed.randomization_test("x")


def test_place_order_and_absent_rows_do_not_matter():
    want = si.lm("y ~ x + z", DATA, cluster="g").test("x = 0", bootstrap="wild", law="webb", replicas=499, seed=3)
    absent = pd.concat([DATA, DATA.iloc[:9].assign(y=99.0, g="h", one=0.0)]).assign(one=lambda d: d["one"].fillna(1.0))
    made = {
        "shifted": (DATA.assign(x=DATA["x"] + 1e7, z=DATA["z"] - 1e7), {}),
        "scaled": (DATA.assign(z=DATA["z"] * 1e-6), {}),
        "shuffled": (DATA.sample(frac=1.0, random_state=1), {}),
        "absent": (absent, {"weights": "one"}),
    }
    for name, (data, options) in made.items():
        got = si.lm("y ~ x + z", data, cluster="g", **options).test(
            "x = 0", bootstrap="wild", law="webb", replicas=499, seed=3
        )
        tol = 1e-6 if name == "shifted" else 1e-8
        np.testing.assert_allclose(
            [got.statistic, got.p_value, got.conf_low, got.conf_high],
            [want.statistic, want.p_value, want.conf_low, want.conf_high],
            rtol=tol,
            err_msg=name,
        )


def test_draws_do_not_depend_on_chunks_and_follow_the_seed():
    fit = si.lm("y ~ x + z", DATA.assign(g=np.arange(60) // 2), cluster="g")
    p = [
        fit.test("x = 0", bootstrap="wild", replicas=r, seed=s).null_draws.numerator
        for r, s in ((64, 0), (640, 0), (64, 1))
    ]
    np.testing.assert_array_equal(p[0], p[1][:64])
    assert not np.allclose(p[0], p[2])


@pytest.mark.parametrize("side", ["two-sided", "less", "greater"])
def test_confidence_sets_are_where_p_values_are_large(side):
    random = np.random.default_rng(2)
    square = random.standard_normal((200, 3))
    numbers = NullDraws(
        random.standard_normal((200, 2)) * [1.0, 0.3],
        np.column_stack([square[:, 0] ** 2 + 0.5, 2 * square[:, 0] * square[:, 1], square[:, 1] ** 2 + 0.2]),
        0.7,
    )
    for interval in ("symmetric", "equal-tailed"):
        pieces = numbers.confidence_set(0.9, side, interval)
        inside = np.zeros(801, bool)
        grid = np.linspace(-8, 8, 801)
        for low, high in pieces:
            inside |= (grid > low) & (grid < high)
        p = np.array([numbers.p_value(d, side, interval) for d in grid])
        np.testing.assert_array_equal(inside, p > 0.1)


def test_few_clusters_are_said_to_be_coarse():
    fit = si.lm("y ~ x + z", DATA, cluster="g")
    with pytest.warns(si.errors.StatinfWarning, match="webb"):
        fit.test("x = 0", bootstrap="wild", level=0.99)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"law": "cauchy"}, si.OptionError, "law"),
        ({"replicas": 1}, si.OptionError, "replicas"),
        ({"type": "14"}, si.OptionError, "two digits"),
        ({"by": "z"}, si.OptionError, "no clustering column"),
        ({"B": 99}, si.OptionError, "no option of bootstrap='wild'"),
        ({"side": "both"}, si.OptionError, "side"),
        ({"equivalence": (-1, 1)}, si.OptionError, "no bootstrap"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        si.lm("y ~ x + z", DATA, cluster="g").test("x = 0", bootstrap="wild", **options)


def test_what_has_no_wild_bootstrap_says_so():
    fit = si.lm("y ~ x + z", DATA, cluster="g")
    with pytest.raises(si.OptionError, match="bootstrap="):
        fit.test("x = 0", bootstrap="pairs")
    with pytest.raises(si.OptionError, match="goes with bootstrap='wild'"):
        fit.test("x = 0", replicas=99)
    with pytest.raises(si.OptionError, match="one restriction"):
        fit.test("x = 0, z = 0", bootstrap="wild", side="less")
    with pytest.raises(si.OptionError, match="robust standard errors"):
        fit.with_vcov("iid").test("x = 0", bootstrap="wild")
    with pytest.raises(si.OptionError, match="one kind of cluster"):
        two = DATA.assign(h=np.arange(60) % 5)
        si.lm("y ~ x + z", two, cluster=["g", "h"]).test("x = 0", bootstrap="wild")
    with pytest.raises(si.NotIdentifiedError, match="linear regressions"):
        si.glm("y ~ x", DATA.assign(y=DATA["y"] > 1), family="binomial", vcov="HC1").test("x = 0", bootstrap="wild")
    with pytest.raises(si.DataError, match="rows of the fit"):
        fit.lean().test("x = 0", bootstrap="wild")
    weights = si.balance("t ~ z", DATA.assign(t=(DATA["x"] > 0).astype(int)), method="ipw")
    with pytest.raises(si.NotIdentifiedError, match="estimated"):
        si.lm("y ~ t", DATA.assign(t=(DATA["x"] > 0).astype(int)), weights=weights).test("t = 0", bootstrap="wild")
