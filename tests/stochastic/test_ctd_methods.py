import numpy as np
import pytest

import statinf as si
from statinf.errors import NumericalWarning

OU = {"id": "episode", "time": "time", "discount": 0.5}
FORMULA = "reward ~ I(x**2)"
UNIT = {"step": {"c0": 0.3, "k0": 4, "power": 0.6}}


@pytest.fixture(scope="module")
def ou():
    return si.datasets.simulate("ornstein_uhlenbeck", 6_030, seed=2, step=0.05)


def pieces(data):
    """Features, steps of time, increments' matrix and targets of one episode after the other, by the formulas."""
    for _, rows in data.groupby("episode"):
        x, r, dt = rows["x"].to_numpy(), rows["reward"].to_numpy(), np.diff(rows["time"])
        phi = np.column_stack([np.ones(len(x)), x**2])
        yield phi[:-1], dt, phi[:-1] * (1 + 0.5 * dt)[:, None] - phi[1:], r[:-1] * dt


def test_the_mean_square_error_is_a_regression_and_makes_values_smooth(ou):
    fit = si.ctd(FORMULA, ou, **OU, method="mstde")
    found = list(pieces(ou))
    G, c = np.concatenate([p[2] for p in found]), np.concatenate([p[3] for p in found])
    assert fit.theta == pytest.approx(np.linalg.lstsq(G, c, rcond=None)[0], rel=1e-9)
    # The coefficient of the true values is .4; that of the least mean-square error goes to zero with the time step.
    fine = si.datasets.simulate("ornstein_uhlenbeck", 10_010, seed=3, step=0.01)
    assert fit.theta[1] < 0.05 and si.ctd(FORMULA, fine, **OU, method="mstde").theta[1] < 0.01
    squares = [f.quadratic_variation()["rate"].mean() for f in (fit, si.ctd(FORMULA, ou, **OU))]
    assert squares[0] < 0.2 * squares[1]
    assert "not consistent" in str(fit.summary())


def test_gmm_of_as_many_conditions_as_features_is_the_root(ou):
    for how in ({}, {"lam": 0.3}, {"test_function": "relative"}):
        root, gmm = (si.ctd(FORMULA, ou, **OU, method=m, **how) for m in ("clstd", "cgtd"))
        assert gmm.theta == pytest.approx(root.theta, rel=1e-9)
        assert gmm.vcov.to_numpy() == pytest.approx(root.vcov.to_numpy(), rel=1e-8)


@pytest.mark.parametrize("weighting", ["identity", "gram", "efficient"])
def test_gmm_of_more_conditions_minimises_its_objective(ou, weighting):
    def tests(x, t):
        return np.column_stack([x, np.sqrt(x[:, 1])])

    fit = si.ctd(FORMULA, ou, **OU, method="cgtd", test_function=tests, weighting=weighting)
    A, b, gram, sums = np.zeros((3, 2)), np.zeros(3), np.zeros((3, 3)), []
    for phi, dt, G, c in pieces(ou):
        z = np.column_stack([phi, np.sqrt(phi[:, 1])])
        A, b, gram = A + z.T @ G, b + z.T @ c, gram + (z * dt[:, None]).T @ z
        sums.append((z, G, c))
    first = np.linalg.lstsq(A, b, rcond=None)[0]
    g = np.array([z.T @ (c - G @ first) for z, G, c in sums])
    W = {"identity": np.eye(3), "gram": gram, "efficient": np.cov(g, rowvar=False)}[weighting]
    inverse = np.linalg.inv(W)
    theta = np.linalg.solve(A.T @ inverse @ A, A.T @ inverse @ b)
    assert fit.theta == pytest.approx(theta, rel=1e-8)
    g = np.array([z.T @ (c - G @ theta) for z, G, c in sums])
    bread = np.linalg.solve(A.T @ inverse @ A, A.T @ inverse)
    assert fit.vcov.to_numpy() == pytest.approx(bread @ (g.T @ g) @ bread.T * len(g) / (len(g) - 1), rel=1e-7)
    assert (fit.overidentification is not None) == (weighting == "efficient")


def test_conditions_that_cannot_hold_together_are_rejected(ou):
    def tests(x, t):
        return np.column_stack([x, x[:, -1] ** 2 / (1 + x[:, -1] ** 2)])

    good = si.ctd(FORMULA, ou, **OU, method="cgtd", test_function="both", lam=0.3)
    assert good.overidentification.df == 2 and good.overidentification.p_value > 0.01
    bad = si.ctd("reward ~ x", ou, **OU, method="cgtd", test_function=tests)
    assert bad.overidentification.df == 1 and bad.overidentification.p_value < 0.01
    with pytest.raises(si.DataError, match="1 test functions for 2 features"):
        si.ctd(FORMULA, ou, **OU, method="cgtd", test_function=lambda x, t: t)
    with pytest.raises(si.NotIdentifiedError, match="3 episodes for 4 conditions"):
        si.ctd(FORMULA, ou[ou["episode"] < 3], **OU, method="cgtd", test_function="both", lam=0.3)


@pytest.mark.parametrize("method", ["ctd0", "ctd-lambda"])
def test_averages_of_steps_are_at_the_batch_root(ou, method):
    lam = {} if method == "ctd0" else {"lam": 0.5}
    fit, root = si.ctd(FORMULA, ou, **OU, method=method, **lam), si.ctd(FORMULA, ou, **OU, **lam)
    assert np.abs((fit.theta - root.theta) / root.std_errors).max() < 0.3
    assert fit.std_errors.to_numpy() == pytest.approx(root.std_errors.to_numpy(), rel=0.05)


@pytest.mark.filterwarnings("ignore:the average is:statinf.errors.NumericalWarning")
def test_the_recursion_of_episodes_is_the_one_written_out(ou):
    fit = si.ctd("reward ~ 0 + I(x**2)", ou, **OU, method="ctd0", passes=1, burn_in=5, seed=7, **UNIT)
    data = [(p[:, 1] @ G[:, 1], p[:, 1] @ c) for p, _, G, c in pieces(ou)]
    # Steps are those of the feature scaled to mean square one over rows but last ones.
    inner = np.concatenate([p[:, 1] for p, *_ in pieces(ou)])
    size = float(np.mean(inner**2))
    theta, total = 0.0, 0.0
    for k, n in enumerate(np.random.default_rng(7).permutation(30)):
        theta += 0.3 / (4 + k) ** 0.6 * (data[n][1] - data[n][0] * theta) / size
        total += theta if k >= 5 else 0.0
    assert fit.theta[0] == pytest.approx(total / 25, rel=1e-9)
    assert fit.facts["Averaged"] == "25 after 5"


def test_steps_of_rows_and_steps_that_fail(ou):
    fit, root = si.ctd(FORMULA, ou, **OU, method="ctd0", update="row", passes=20), si.ctd(FORMULA, ou, **OU)
    assert np.abs((fit.theta - root.theta) / root.std_errors).max() < 1.0
    assert "6000 rows" in fit.facts["Steps"]
    with pytest.raises(si.ConvergenceError, match="smaller step"):
        si.ctd(FORMULA, ou, **OU, method="ctd0", step={"c0": 1e6}, passes=40)
    with pytest.warns(NumericalWarning, match="has not converged"):
        si.ctd(FORMULA, ou, **OU, method="ctd0", passes=1)
    with pytest.raises(si.NotIdentifiedError, match="'clstd'"):
        fit.discretisation()
