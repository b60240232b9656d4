"""Matching beside R's Matching 4.10-8, and plain brute force for weights, calipers and exact groups."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.geometry.nearest import nearest

X = "age + educ + black + hispan + married + nodegree + re74 + re75"
MATCHING = {
    ("ATT", "inverse-variance", 1, 0): (2108.9004744714, 887.0188526795),
    ("ATT", "mahalanobis", 1, 2): (2453.0763245096, 771.4713184086),
    ("ATT", "mahalanobis", 3, 0): (2027.7643228821, 785.1225322549),
    ("ATE", "inverse-variance", 1, 1): (1916.2045475358, 741.3609078836),
    ("ATE", "mahalanobis", 1, 1): (1906.1262199539, 657.7530872954),
    ("ATE", "mahalanobis", 3, 2): (1510.0576167160, 626.8325600002),
    ("ATC", "inverse-variance", 3, 0): (1044.1367952470, 711.7079560578),
}
"""`Match(Y, Tr, X, estimand, Weight, M, Var.calc)`: ties as it has them, most of these rows having some."""


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("nsw")


@pytest.mark.parametrize(("estimand", "distance", "matches", "neighbours"), list(MATCHING))
def test_estimates_and_errors_meet_r(data, estimand, distance, matches, neighbours):
    fit = si.effect(
        f"re78 ~ treat | {X}",
        data,
        method="matching",
        estimand=estimand,
        distance=distance,
        matches=matches,
        neighbours=neighbours,
    )
    value, error = MATCHING[estimand, distance, matches, neighbours]
    assert fit.theta[0] == pytest.approx(value, rel=1e-9)
    assert fit.std_errors.iloc[0] == pytest.approx(error, rel=1e-8)


def simulate(n, seed, p=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p))
    t = (rng.random(n) < 1 / (1 + np.exp(0.5 - 0.7 * x[:, 0]))) * 1.0
    y = x[:, 0] + 0.5 * x[:, 1] + t * (1 + x[:, 1]) + rng.standard_normal(n)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(p)])
    return frame.assign(t=t, y=y, g=rng.integers(0, 3, n), w=rng.uniform(0.5, 2.0, n))


FORMULA = "y ~ t | x0 + x1 + x2"


def by_hand(data, *, estimand, k, caliper=np.inf, exact=False, weighted=False, correct=False):
    """Estimate and Abadie-Imbens variance by loops over rows, with inverse-variance distances."""
    x, y, t = data[["x0", "x1", "x2"]].to_numpy(), data["y"].to_numpy(), data["t"].to_numpy()
    w = data["w"].to_numpy() if weighted else np.ones(len(y))
    z = (x - np.average(x, axis=0, weights=w)) / np.sqrt(np.cov(x.T, aweights=w, ddof=0).diagonal())
    g = data["g"].to_numpy() if exact else np.zeros(len(y))

    def near(i, pool, count, caliper=np.inf):
        usable = [j for j in pool if j != i and g[j] == g[i] and (np.abs(z[i] - z[j]) <= caliper).all()]
        square = np.array([((z[i] - z[j]) ** 2).sum() for j in usable])
        if len(usable) == 0:
            return []
        edge = np.sort(square)[min(count, len(usable)) - 1] + 1e-5
        return [j for j, d in zip(usable, square, strict=True) if d <= edge]

    arm = {a: np.flatnonzero(t == a) for a in (0.0, 1.0)}
    whose = {"ATE": range(len(y)), "ATT": arm[1.0], "ATC": arm[0.0]}[estimand]
    sets = {i: near(i, arm[1.0 - t[i]], k, caliper) for i in whose}
    sets = {i: m for i, m in sets.items() if m}
    own, used, squares = np.zeros(len(y)), np.zeros(len(y)), np.zeros(len(y))
    for i, m in sets.items():
        own[i] = w[i]
        share = w[i] * w[m] / w[m].sum()
        used[m] += share
        squares[m] += share**2
    mu = np.zeros((2, len(y)))
    if correct:
        for a in (0.0, 1.0):
            rows = arm[a][used[arm[a]] > 0]
            c, root = np.column_stack([np.ones(len(y)), x]), np.sqrt(used[rows])
            mu[int(a)] = c @ np.linalg.lstsq(c[rows] * root[:, None], y[rows] * root, rcond=None)[0]
    tau = {}
    for i, m in sets.items():
        other = mu[int(1 - t[i])]
        tau[i] = (2 * t[i] - 1) * (y[i] - np.average(y[m] + other[i] - other[m], weights=w[m]))
    theta = np.average(list(tau.values()), weights=w[list(tau)])
    sigma = np.array([np.var(y[[i, *near(i, arm[t[i]], 2)]], ddof=1) if own[i] + used[i] else 0 for i in range(len(y))])
    spread = sum((w[i] * (v - theta)) ** 2 for i, v in tau.items())
    return theta, (spread + sigma @ ((own + used) ** 2 - own**2 - squares)) / own.sum() ** 2


@pytest.mark.parametrize(
    "options",
    [
        {"estimand": "ATE", "k": 1, "weighted": True},
        {"estimand": "ATT", "k": 2, "weighted": True, "correct": True},
        {"estimand": "ATC", "k": 1, "caliper": 0.8},
        {"estimand": "ATE", "k": 2, "exact": True, "correct": True},
    ],
)
def test_loops_over_rows_give_the_same(options):
    data = simulate(160, 3)
    theta, variance = by_hand(data, **options)
    fit = si.effect(
        FORMULA,
        data,
        method="matching",
        distance="inverse-variance",
        estimand=options["estimand"],
        matches=options["k"],
        caliper=options.get("caliper"),
        exact="g" if options.get("exact") else None,
        weights="w" if options.get("weighted") else None,
        bias_correction=options.get("correct", False),
    )
    assert fit.theta[0] == pytest.approx(theta, rel=1e-10)
    assert fit.std_errors.iloc[0] ** 2 == pytest.approx(variance, rel=1e-9)


def test_without_replacement_rows_are_matches_once():
    data = simulate(200, 5)
    fit = si.effect(FORMULA, data, method="matching", estimand="ATT", replace=False)
    pairs = fit.matches()
    assert pairs["match"].is_unique and pairs["row"].is_unique and len(pairs) == (data["t"] == 1).sum()
    gap = data["y"].to_numpy()[pairs["row"]] - data["y"].to_numpy()[pairs["match"]]
    assert fit.theta[0] == pytest.approx(gap.mean(), rel=1e-12)
    # Of matches that are used once nothing is left beside the spread of the differences.
    assert fit.std_errors.iloc[0] == pytest.approx(gap.std() / np.sqrt(len(gap)), rel=1e-9)
    # R: Match(Y, Tr, X, Weight=2, replace=FALSE), in the order of rows.
    first = pairs.sort_values("row").iloc[0]
    x = data[["x0", "x1", "x2"]]
    z = np.linalg.solve(np.linalg.cholesky(np.cov(x.T)), (x - x.mean()).T.to_numpy()).T
    square = ((z - z[int(first["row"])]) ** 2).sum(axis=1)
    square[data["t"] == 1] = np.inf
    assert int(first["match"]) == int(np.argmin(square))
    with pytest.raises(si.OptionError, match="use estimand='ATT' or 'ATC'"):
        si.effect(FORMULA, data, method="matching", replace=False)


@pytest.mark.parametrize("p", [1, 3, 7])
@pytest.mark.parametrize("k", [1, 3])
def test_nearest_points_with_all_ties(p, k):
    rng = np.random.default_rng(p)
    for queries, points in (
        (rng.standard_normal((60, p)), rng.standard_normal((1500, p))),
        (rng.integers(0, 3, (50, p)) * 1.0, rng.integers(0, 3, (40, p)) * 1.0),
        (1e6 + rng.standard_normal((30, p)), 1e6 + rng.standard_normal((1100, p))),
    ):
        found = nearest(queries, points, k, tolerance=1e-5)
        square = ((queries[:, None] - points) ** 2).sum(axis=2)
        expected = square <= np.sort(square, axis=1)[:, k - 1 : k] + 1e-5
        made = np.zeros_like(expected)
        made[found.rows, found.points] = True
        np.testing.assert_array_equal(made, expected)
        np.testing.assert_allclose(found.squared, square[found.rows, found.points], rtol=1e-12)


def test_propensity_distances_groups_and_clusters():
    data = simulate(300, 7)
    for distance in ("propensity", "log-odds"):
        fit = si.effect(FORMULA, data, method="matching", estimand="ATT", distance=distance, caliper=0.2)
        assert "propensity taken as known" in fit.cov.label and abs(fit.theta[0] - 1.2) < 1.0
    groups = si.effect(FORMULA, data, method="matching", by="g")
    alone = si.effect(FORMULA, data[data["g"] == 1], method="matching")
    assert groups.terms == ("t[0]", "t[1]", "t[2]")
    whole = si.effect(FORMULA, data.assign(h=np.arange(300) % 30), method="matching", cluster="h")
    assert np.isfinite(whole.std_errors).all() and np.isfinite(alone.std_errors).all()
    plain = si.effect(FORMULA, data, method="matching")
    assert plain.cov.label == "Abadie and Imbens"
    # Two estimates of the same variance.
    assert plain.with_vcov("HC0").std_errors.iloc[0] == pytest.approx(plain.std_errors.iloc[0], rel=0.25)


def test_faults_are_named():
    data = simulate(120, 9)
    with pytest.raises(si.OptionError, match="caliper"):
        si.effect(FORMULA, data, method="matching", caliper=-1)
    with pytest.raises(si.OptionError, match="exact"):
        si.effect(FORMULA, data, method="matching", exact=3)
    with pytest.raises(si.DataError, match="nothere"):
        si.effect(FORMULA, data, method="matching", exact="nothere")
    with pytest.raises(si.DataError, match="exact='g' is missing in row 4"):
        si.effect(FORMULA, data.assign(g=data["g"].where(data.index != 4)), method="matching", exact="g")
    with pytest.raises(si.DataError, match="an arm has"):
        si.effect(FORMULA, data, method="matching", matches=100)
    with pytest.raises(si.NotIdentifiedError, match="no row has a match"):
        si.effect(FORMULA, data, method="matching", caliper=1e-9)
    with pytest.raises(si.OptionError, match="treatment_model= is for"):
        si.effect(FORMULA, data, method="matching", treatment_model="logit")
    with pytest.raises(si.DataError, match="two arms"):
        si.effect("y ~ g | x0", data, method="matching")
    with pytest.raises(si.NotIdentifiedError, match="no means"):
        si.effect(FORMULA, data, method="matching").means()


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_intervals_cover(count):
    covered = 0
    for seed in range(count):
        fit = si.effect("y ~ t | x0 + x1", simulate(300, seed, 2), method="matching", matches=2, bias_correction=True)
        covered += abs(fit.theta[0] - 1.0) < 1.959964 * fit.std_errors.iloc[0]
    assert abs(covered / count - 0.95) < 4.0 * np.sqrt(0.05 * 0.95 / count)
