"""Families that boosting knows: scores against SciPy, metrics against quadrature, marginal laws against SciPy's fits."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import special, stats

from statinf.backend import x64
from statinf.errors import OptionError
from statinf.numerics.laws.parametric.catalog import LAWS, law_named
from statinf.numerics.laws.parametric.gradients import gradient, natural_gradient, values
from statinf.numerics.laws.parametric.law import LawUnits
from statinf.numerics.laws.parametric.normal import scaled_crps_metric

AT = {
    "normal": ([0.3, -0.4], [0.1, -1.2, 2.0]),
    "lognormal": ([0.3, -0.4], [0.1, -1.2, 2.0]),
    "student": ([0.3, -0.4], [0.1, -1.2, 2.0]),
    "laplace": ([0.3, -0.4], [0.1, -1.2, 2.0]),
    "exponential": ([0.3], [0.2, 1.0, 4.0]),
    "weibull": ([0.3, 0.4], [0.2, 1.0, 4.0]),
    "gamma": ([0.3, 0.4], [0.2, 1.0, 4.0]),
    "poisson": ([0.3], [0.0, 1.0, 4.0]),
}
"""Parameters and outcomes, in the units of scores."""
PAIRS = [(name, score) for name in AT for score in LAWS[name].rules]


ROWS = 256
LONG = {(name, score) for name in ("gamma", "weibull", "poisson", "lognormal") for score in ("crps", "censored crps")}
"""Whose natural gradients, which are made by the same rule from others, are left out: their programs compile for long."""


@cache
def _compiled(name, score):
    """Scores, both gradients and the metric of a rule in one program for `ROWS` rows."""
    import jax

    law = LAWS[name]
    rule = law.censored[score.removeprefix("censored ")] if score.startswith("censored") else law.rules[score]

    measure = rule.metric or (lambda theta: ())

    def every(theta, y, event):
        metric = measure(theta)
        if (name, score) in LONG:
            found, back = jax.vjp(lambda at: values(law, rule, at, y, event), theta)
            return found, back(np.ones(ROWS))[0], theta, metric
        found = [f(law, rule, theta, y, event) for f in (values, gradient, natural_gradient)]
        return (*found, metric)

    # Programs that run once or twice need no optimiser.
    return jax.jit(every, compiler_options={"xla_backend_optimization_level": 0})


def probe(name, score, theta, y, event=None):
    """Scores (n,), gradients and natural gradients (K, n), and the metric (K, K, n) at parameters (K,) or (K, n)."""
    n = len(y)
    theta = np.broadcast_to(np.asarray(theta, float).reshape(len(theta), -1), (len(theta), n))
    given = (theta, np.asarray(y, float), np.ones(n) if event is None else np.asarray(event, float))
    padded = [np.concatenate([v, np.repeat(v[..., -1:], ROWS - n, axis=-1)], axis=-1) for v in given]
    with x64():
        found = _compiled(name, score)(*padded)
        score_, plain, natural = (np.asarray(v)[..., :n] for v in found[:3])
        metric = np.array([[np.broadcast_to(np.asarray(v), ROWS)[:n] for v in row] for row in found[3]])
    return score_, plain, natural, metric


def scipy_law(name, theta):
    """SciPy's law of the outcome itself at parameters (K,)."""
    law = LAWS[name]
    usual = law.usual(np.asarray(theta, float)[:, None], LawUnits())
    return law.frozen({k: v[0] for k, v in usual.items()})


def own(name, inner):
    """Outcomes themselves from those in the units of scores."""
    return np.exp(inner) if LAWS[name].kind == "log" else np.asarray(inner, float)


def nodes(name, theta):
    """Outcomes of a continuous law and weights (128,) such that sums over them are integrals over the outcome.

    Gauss's nodes in a number whose law has the same tails, in two halves: some slopes jump at the centre.
    """
    half, weight = np.polynomial.legendre.leggauss(64)
    x, weight = np.concatenate([half / 2 - 0.5, half / 2 + 0.5]), np.concatenate([weight, weight]) / 2
    if name == "student":
        shape, at, slope = stats.t(3), np.sinh(9.0 * x), 9.0 * np.cosh(9.0 * x)
    else:
        shape, at, slope = stats.norm(), 7.0 * x, 7.0
    law = scipy_law(name, theta)
    y = np.where(x < 0, law.ppf(shape.cdf(at)), law.isf(shape.sf(at)))
    return y, weight * slope * shape.pdf(at) / law.pdf(y)


@pytest.mark.parametrize("name", list(AT))
def test_the_log_score_is_minus_the_log_density(name):
    y = np.array(AT[name][1])
    law = scipy_law(name, AT[name][0])
    expected = -(law.logpmf(y) if name == "poisson" else law.logpdf(own(name, y)))
    # The density of log y is y times that of y.
    expected = expected - y if name == "lognormal" else expected
    np.testing.assert_allclose(probe(name, "log", AT[name][0], y)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name, score in PAIRS if score == "crps"])
def test_the_crps_is_the_integral_of_squared_distance_of_the_distribution_functions(name):
    law = scipy_law(name, AT[name][0])
    found = probe(name, "crps", AT[name][0], AT[name][1])[0]
    if name == "poisson":
        counts = np.arange(60.0)
        expected = [((law.cdf(counts) - (counts >= y)) ** 2).sum() for y in AT[name][1]]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        return
    steps = np.linspace(0.0, 14.0, 20_001)
    for score, y in zip(found, own(name, AT[name][1]), strict=True):
        far = np.cosh(steps)
        left, right = law.cdf(y - np.sinh(steps)) ** 2 * far, law.sf(y + np.sinh(steps)) ** 2 * far
        # The trapezoidal rule's error is of the order of the squared step, 5e-7.
        assert score == pytest.approx(np.trapezoid(left + right, steps), rel=1e-5)


@pytest.mark.parametrize(("name", "score"), PAIRS)
def test_gradients_are_slopes_and_natural_ones_solve_the_metric(name, score):
    theta, y = np.array(AT[name][0]), np.array(AT[name][1])
    _, plain, natural, metric = probe(name, score, theta, y)
    for k, step in enumerate(np.eye(len(theta)) * 1e-6):
        up, down = (probe(name, score, theta + sign * step, y)[0] for sign in (1.0, -1.0))
        np.testing.assert_allclose(plain[k], (up - down) / 2e-6, rtol=1e-6, atol=1e-8)
    if (name, score) not in LONG:
        solved = np.linalg.solve(np.moveaxis(metric, 2, 0), plain.T[..., None])[..., 0].T
        np.testing.assert_allclose(natural, solved, rtol=1e-9)


@pytest.mark.parametrize("name", list(AT))
def test_the_metric_of_the_log_score_is_fishers_information(name):
    theta = AT[name][0]
    if name == "poisson":
        inner = np.arange(60.0)
        mass = scipy_law(name, theta).pmf(inner)
    else:
        y, weight = nodes(name, theta)
        inner, mass = (np.log(y) if name == "lognormal" else y), weight * scipy_law(name, theta).pdf(y)
    _, slope, _, metric = probe(name, "log", theta, inner)
    np.testing.assert_allclose(metric[..., 0], (mass * slope) @ slope.T, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", [name for name, score in PAIRS if score == "crps"])
def test_the_metric_of_the_crps_is_twice_the_integral_of_products_of_slopes(name):
    theta = np.array(AT[name][0])
    y, weight = (np.arange(60.0), np.ones(60)) if name == "poisson" else nodes(name, theta)
    slope = np.array(
        [
            (scipy_law(name, theta + step).cdf(y) - scipy_law(name, theta - step).cdf(y)) / 2e-5
            for step in 1e-5 * np.eye(len(theta))
        ]
    )
    metric = probe(name, "crps", theta, AT[name][1])[3]
    np.testing.assert_allclose(metric[..., 0], 2.0 * (weight * slope) @ slope.T, rtol=1e-6, atol=1e-6)


def test_the_natural_gradient_of_the_normal_is_that_of_the_paper():
    loc, log_scale = AT["normal"][0]
    y = np.array(AT["normal"][1])
    expected = [loc - y, 0.5 * (1.0 - (y - loc) ** 2 * np.exp(-2.0 * log_scale))]
    np.testing.assert_allclose(probe("normal", "log", AT["normal"][0], y)[2], expected, rtol=1e-13)


def test_the_natural_gradient_of_classes_solves_their_information():
    theta = np.array([0.3, -0.7])
    p = np.exp(np.concatenate([[0.0], theta]))
    p /= p.sum()
    information = np.diag(p[1:]) - np.outer(p[1:], p[1:])
    _, plain, natural, _ = probe("categorical", "log", theta, [0.0, 1.0, 2.0])
    codes = np.arange(3)
    np.testing.assert_allclose(plain, p[1:, None] - (np.arange(1, 3)[:, None] == codes), rtol=1e-12)
    np.testing.assert_allclose(natural, np.linalg.solve(information, plain), rtol=1e-12, atol=1e-14)


def test_the_quadratic_score_of_classes_moves_probabilities_as_the_log_score_does():
    theta = np.array([0.3, -0.7])
    p = np.exp(np.concatenate([[0.0], theta]))
    p /= p.sum()
    errors = p[:, None] - np.eye(3)
    moves = (np.diag(p) - np.outer(p, p))[:, 1:]
    score, plain, natural, _ = probe("categorical", "crps", theta, [0.0, 1.0, 2.0])
    np.testing.assert_allclose(score, 0.5 * (errors**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(plain, moves.T @ errors, rtol=1e-12)
    np.testing.assert_allclose(natural, np.linalg.solve(moves.T @ moves, plain), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(natural, probe("categorical", "log", theta, [0.0, 1.0, 2.0])[2], rtol=1e-13)


def test_the_direction_does_not_depend_on_how_the_scale_is_written():
    # In (mu, sigma) Fisher's information is diag(1, 2) / sigma^2: the natural gradient of sigma is sigma times that of its
    # logarithm, so that small steps lead to the same laws.
    loc, log_scale = AT["normal"][0]
    y, scale = np.array(AT["normal"][1]), np.exp(log_scale)
    slope = np.array([(loc - y) / scale**2, 1.0 / scale - (y - loc) ** 2 / scale**3])
    in_sigma = slope * np.array([[scale**2], [scale**2 / 2.0]])
    found = probe("normal", "log", AT["normal"][0], y)[2]
    np.testing.assert_allclose(in_sigma, found * np.array([[1.0], [scale]]), rtol=1e-12)


def test_the_other_packages_metric_is_the_right_one_times_the_scale():
    theta = [0.3, np.log(0.5)]
    right = probe("normal", "crps", theta, [0.0])[3][..., 0]
    np.testing.assert_allclose(np.diag(right), [1.1284, 0.1410], atol=5e-5)
    with x64():
        theirs = np.array(scaled_crps_metric(np.array(theta)), float)
    np.testing.assert_allclose(theirs, 0.5 * right, rtol=1e-6)


@pytest.mark.parametrize("name", ["lognormal", "exponential", "weibull"])
def test_censored_outcomes_score_the_probability_to_exceed_them(name):
    y, event = np.array(AT[name][1]), np.array([1.0, 0.0, 0.0])
    law, seen = scipy_law(name, AT[name][0]), own(name, AT[name][1])
    density = law.logpdf(seen) + (y if name == "lognormal" else 0.0)
    found = probe(name, "censored log", AT[name][0], y, event)[0]
    np.testing.assert_allclose(found, -np.where(event > 0, density, law.logsf(seen)), rtol=1e-10)


@pytest.mark.parametrize("name", ["lognormal", "exponential", "weibull"])
def test_the_crps_of_a_bound_is_the_integral_up_to_it(name):
    theta, y = np.array(AT[name][0]), np.repeat(AT[name][1], 2)
    event = np.tile([0.0, 1.0], len(y) // 2)
    law, top = scipy_law(name, theta), own(name, y)
    found, plain, _, metric = probe(name, "censored crps", theta, y, event)
    half, weight = np.polynomial.legendre.leggauss(80)
    at = 0.5 * (half + 1.0)
    # The slope of F at zero may be infinite: nodes are dense there.
    upto = (5.0 * at**4 * top[:, None] * law.cdf(at**5 * top[:, None]) ** 2) @ weight / 2.0
    whole = probe(name, "crps", theta, y)
    np.testing.assert_allclose(found, np.where(event > 0, whole[0], upto), rtol=1e-10)
    for k, step in enumerate(np.eye(len(theta)) * 1e-6):
        up, down = (probe(name, "censored crps", theta + sign * step, y, event)[0] for sign in (1.0, -1.0))
        np.testing.assert_allclose(plain[k], (up - down) / 2e-6, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(plain[:, event > 0], whole[1][:, event > 0], rtol=1e-10)
    np.testing.assert_allclose(metric, whole[3], rtol=1e-13)


@pytest.mark.parametrize("shape", [1e-3, 0.05, 0.7, 30.0, 4000.0])
def test_the_gamma_crps_and_its_metric_hold_for_any_shape(shape):
    theta = np.array([0.2, np.log(shape)])
    law = scipy_law("gamma", theta)
    y = law.ppf([0.3, 0.6, 0.95]) + 1e-9
    score, _, _, metric = probe("gamma", "crps", theta, y)
    mean, beside = law.mean(), stats.gamma(shape + 1.0, scale=law.mean() / shape)
    spread = mean * np.exp(special.gammaln(shape + 0.5) - special.gammaln(shape + 1.0)) / np.sqrt(np.pi)
    expected = y * (2.0 * law.cdf(y) - 1.0) - mean * (2.0 * beside.cdf(y) - 1.0) - spread
    # Terms of the size of the mean leave one of the size of the spread.
    np.testing.assert_allclose(score, expected, rtol=1e-10, atol=1e-12 * mean)
    half, weight = np.polynomial.legendre.leggauss(400)
    top = (mean + 12.0 * law.std() + 40.0 * mean / shape * (shape < 1)) ** 0.25
    root = 0.5 * (half + 1.0) * top
    at, weight = root**4, 2.0 * weight * root**3 * top
    steps = 1e-4 * np.eye(2)
    slope = np.array(
        [(scipy_law("gamma", theta + s).cdf(at) - scipy_law("gamma", theta - s).cdf(at)) / 2e-4 for s in steps]
    )
    # Differences are right to the squared step times the shape.
    np.testing.assert_allclose(metric[..., 0], 2.0 * (weight * slope) @ slope.T, rtol=1e-6 + 1e-7 * shape)


@pytest.fixture(scope="module")
def draws():
    random = np.random.default_rng(5)
    return random.gamma(2.0, 1.5, 60), random.integers(1, 4, 60).astype(float)


def test_marginal_laws_have_the_greatest_likelihood(draws):
    y, w = draws
    ones, repeated = np.ones(len(y)), np.repeat(y, w.astype(int))
    found = {
        name: law.start(law.inward(y, LawUnits()), w, ones)
        for name, law in LAWS.items()
        if name not in ("poisson", "categorical")
    }
    assert found["normal"] == pytest.approx([repeated.mean(), np.log(repeated.std())])
    assert found["lognormal"] == pytest.approx([np.log(repeated).mean(), np.log(np.log(repeated).std())])
    assert found["exponential"] == pytest.approx([np.log(repeated.mean())])
    shape, _, scale = stats.weibull_min.fit(repeated, floc=0)
    assert np.exp(found["weibull"]) == pytest.approx([scale, shape], rel=1e-4)
    shape, _, scale = stats.gamma.fit(repeated, floc=0)
    assert np.exp(found["gamma"]) == pytest.approx([shape * scale, shape], rel=1e-4)
    _, loc, scale = stats.t.fit(repeated, fdf=3)
    assert [found["student"][0], np.exp(found["student"][1])] == pytest.approx([loc, scale], rel=1e-3)
    loc, scale = stats.laplace.fit(repeated)
    assert np.exp(found["laplace"][1]) == pytest.approx(scale)


@pytest.mark.parametrize("name", ["weibull", "lognormal", "exponential"])
def test_the_marginal_law_of_censored_times_is_that_of_scipy(draws, name):
    y, _ = draws
    bound = np.median(y) * 1.2
    event = (y <= bound).astype(float)
    times, law = np.minimum(y, bound), LAWS[name]
    found = law.start(law.inward(times, LawUnits()), np.ones(len(y)), event)
    data = stats.CensoredData(uncensored=times[event > 0], right=times[event == 0])
    if name == "weibull":
        shape, _, scale = stats.weibull_min.fit(data, floc=0)
        expected = [scale, shape]
    elif name == "lognormal":
        shape, _, scale = stats.lognorm.fit(data, floc=0)
        expected = [scale, shape]
    else:
        expected = [times.sum() / event.sum()]
    assert np.exp(found) == pytest.approx(expected, rel=1e-4)


def test_names_and_pairs_that_there_are_not_are_refused():
    assert law_named("Gaussian") is LAWS["normal"] and law_named("t") is LAWS["student"]
    with pytest.raises(OptionError, match="Did you mean 'weibull'"):
        law_named("weibul")
    with pytest.raises(OptionError, match="dist='gamma' has no score='rps'; choose 'log', 'crps'"):
        LAWS["gamma"].rule("rps")
    with pytest.raises(OptionError, match="takes no censored outcomes"):
        LAWS["normal"].rule("log", censored=True)
