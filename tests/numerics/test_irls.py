"""Generalised linear models against statsmodels; separation; batches of weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from statinf.errors import ConvergenceError
from statinf.numerics.glm import irls, likelihood, many_rows
from statinf.numerics.glm.families import LINKS, family_of
from statinf.numerics.glm.irls_batch import _kernel, refit_glm
from statinf.numerics.glm.likelihood import LikelihoodSums
from statinf.numerics.glm.separation import separating_direction


def simulate(name, link, n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    eta = x @ np.array([1.5, 0.3, -0.2]) if link in ("inverse", "identity", "sqrt") else x @ np.array([0.2, 0.5, -0.4])
    mean = LINKS[link].inverse(eta)
    if name == "binomial":
        y = (rng.random(n) < mean).astype(float)
    elif name == "poisson":
        y = rng.poisson(np.maximum(mean, 0.05)).astype(float)
    elif name == "gamma":
        y = rng.gamma(3.0, np.maximum(mean, 0.05) / 3.0)
    else:
        y = np.abs(mean) + 0.1 * rng.random(n)
    return x, y, rng.uniform(0.5, 2.0, n)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("binomial", "logit"),
        ("binomial", "probit"),
        ("binomial", "cloglog"),
        ("poisson", "log"),
        ("poisson", "sqrt"),
        ("gamma", "log"),
        ("gamma", "inverse"),
        ("gaussian", "log"),
        ("gaussian", "identity"),
    ],
)
def test_maximum_likelihood_is_statsmodels(name, link):
    import statsmodels.api as sm

    x, y, w = simulate(name, link)
    links = {
        "logit": "Logit",
        "probit": "Probit",
        "cloglog": "CLogLog",
        "log": "Log",
        "sqrt": "Sqrt",
        "inverse": "InversePower",
    }
    theirs = {"binomial": "Binomial", "poisson": "Poisson", "gamma": "Gamma", "gaussian": "Gaussian"}[name]
    chosen = getattr(sm.families.links, links.get(link, "Identity"))()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns of links that do not respect the family's domain
        model = sm.GLM(y, x, family=getattr(sm.families, theirs)(chosen), var_weights=w)
    peer = model.fit(tol=1e-13, maxiter=200, tol_criterion="params")
    found = irls.fit_glm(x, y, family_of(name, link), weights=w)
    np.testing.assert_allclose(found.coef, peer.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.deviance, peer.deviance, rtol=1e-9)


def test_blocks_and_threads_do_not_change_the_estimate(monkeypatch):
    x, y, w = simulate("binomial", "logit", n=3000)
    whole = irls.fit_glm(x, y, family_of("binomial"), weights=w)
    monkeypatch.setattr(likelihood, "row_blocks", lambda n, p: [slice(i, min(i + 300, n)) for i in range(0, n, 300)])
    monkeypatch.setattr(likelihood, "PARALLEL_FROM", 0)
    pieces = irls.fit_glm(x, y, family_of("binomial"), weights=w)
    np.testing.assert_allclose(pieces.coef, whole.coef, rtol=1e-12)


def test_score_and_information_are_derivatives_of_the_deviance():
    """-deviance / 2 has gradient x's and, for canonical links, Hessian x'Wx."""
    x, y, w = simulate("binomial", "logit", n=50)
    problem = likelihood.LikelihoodSums(x, y, w, None, family_of("binomial"))
    beta, step = np.array([0.1, 0.2, -0.3]), 1e-5
    gram, score, _ = problem.evaluate(beta)
    for j in range(3):
        shift = np.eye(3)[j] * step
        up, down = problem.evaluate(beta + shift), problem.evaluate(beta - shift)
        np.testing.assert_allclose(-(up[2] - down[2]) / (4 * step), score[j], rtol=1e-6)
        np.testing.assert_allclose(-(up[1] - down[1]) / (2 * step), gram[:, j], rtol=1e-6)


def test_an_offset_moves_the_predictor():
    x, y, w = simulate("poisson", "log")
    shift = np.full(len(y), 0.7)
    plain, moved = (irls.fit_glm(x, y, family_of("poisson"), weights=w, offset=o) for o in (None, shift))
    np.testing.assert_allclose(moved.coef, plain.coef - [0.7, 0, 0], rtol=1e-9, atol=1e-12)


def test_too_few_iterations_raise():
    x, y, w = simulate("poisson", "log")
    with pytest.raises(ConvergenceError, match="did not converge in 1 iterations"):
        irls.fit_glm(x, y, family_of("poisson"), weights=w, max_iterations=1)


def test_separation_is_found_and_only_where_it_is():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(60), rng.normal(size=60), rng.normal(size=60)])
    split = x[:, 1] > 0.2
    direction = separating_direction(x, ~split, split)
    assert direction is not None
    assert ((x @ direction) * np.where(split, 1, -1) > -1e-9).all()
    mixed = rng.random(60) < 0.5
    assert separating_direction(x, ~mixed, mixed) is None


def test_quasi_separation_by_one_category():
    group = np.repeat([0.0, 1.0], 20)
    y = np.r_[np.tile([0.0, 1.0], 10), np.zeros(20)]
    x = np.column_stack([np.ones(40), group])
    assert separating_direction(x, y == 0, y == 1) is not None


def test_a_batch_of_weights_equals_single_fits_and_traces_once():
    x, y, _w = simulate("binomial", "logit", n=300)
    family = family_of("binomial")
    start = irls.fit_glm(x, y, family).coef
    weights = np.random.default_rng(0).exponential(size=(70, 300))
    _kernel.cache_clear()
    batch = refit_glm(x, y, family, weights, start=start)
    for k in (0, 33, 69):
        np.testing.assert_allclose(batch[k], irls.fit_glm(x, y, family, weights=weights[k]).coef, rtol=1e-9)
    refit_glm(x[:280], y[:280], family, weights[:65, :280], start=start)
    assert _kernel(family, 3).traces == 1


def test_large_fits_go_to_the_accelerator_and_agree(monkeypatch):
    x, y, w = simulate("poisson", "log", n=500)
    plain = irls.fit_glm(x, y, family_of("poisson"), weights=w, offset=0.1 * x[:, 1])
    calls = []
    real = irls._on_device
    monkeypatch.setattr(irls, "accelerated", lambda: True)
    monkeypatch.setattr(irls, "PARALLEL_FROM", 0)
    monkeypatch.setattr(irls, "_on_device", lambda *a: calls.append(1) or real(*a))
    moved = irls.fit_glm(x, y, family_of("poisson"), weights=w, offset=0.1 * x[:, 1])
    assert calls and moved.iterations <= 2
    np.testing.assert_allclose(moved.coef, plain.coef, rtol=1e-9)


@pytest.mark.parametrize(("name", "link"), [("gamma", "log"), ("gaussian", "identity")])
def test_a_start_from_some_rows_does_not_change_the_estimate(monkeypatch, name, link):
    x, y, w = simulate(name, link, n=4000)
    plain = irls.fit_glm(x, y, family_of(name), weights=w)
    monkeypatch.setattr(many_rows, "MANY_ROWS", 2000)
    warm = irls.fit_glm(x, y, family_of(name), weights=w)
    np.testing.assert_allclose(warm.deviance, plain.deviance, rtol=1e-12)
    np.testing.assert_allclose(warm.coef, plain.coef, rtol=1e-10)
    np.testing.assert_allclose(warm.factor, plain.factor, rtol=1e-8)
    aliased = np.column_stack([x, x[:, 1] + x[:, 2]])
    found = irls.fit_glm(aliased, y, family_of(name), weights=w)
    assert found.kept.tolist() == [True, True, True, False]
    np.testing.assert_allclose(found.coef[:3], plain.coef, rtol=1e-10)
    # Columns that are nearly one another's are orthonormal before products of them are summed.
    close = np.column_stack([x, x[:, 1] + 1e-5 * np.sin(np.arange(len(y)))])
    found = irls.fit_glm(close, y, family_of(name), weights=w)
    monkeypatch.setattr(many_rows, "MANY_ROWS", 10_000)
    np.testing.assert_allclose(found.coef, irls.fit_glm(close, y, family_of(name), weights=w).coef, rtol=1e-8)


def test_steps_by_information_from_before_end_where_newton_does(monkeypatch):
    x, y, w = simulate("binomial", "logit", n=20_000)
    plain = irls.fit_glm(x, y, family_of("binomial"), weights=w, tolerance=1e-14)
    real, calls = LikelihoodSums.evaluate_score, []
    monkeypatch.setattr(many_rows, "MANY_ROWS", 2000)
    monkeypatch.setattr(LikelihoodSums, "evaluate_score", lambda *a: calls.append(len(a[0].y)) or real(*a))
    found = irls.fit_glm(x, y, family_of("binomial"), weights=w)
    assert calls == [20_000, 20_000]
    np.testing.assert_allclose(found.coef, plain.coef, rtol=1e-12)
    np.testing.assert_allclose(found.factor, plain.factor, rtol=1e-10)
    np.testing.assert_allclose(found.deviance, plain.deviance, rtol=1e-13)


def test_links_invert_and_slopes_are_derivatives():
    eta = np.linspace(-3.0, 2.0, 41)
    for name, link in LINKS.items():
        at = np.abs(eta) + 0.5 if name in ("inverse", "inverse_squared", "sqrt") else eta
        np.testing.assert_allclose(link.link(link.inverse(at)), at, rtol=1e-9, atol=1e-9)
        numeric = (link.inverse(at + 1e-6) - link.inverse(at - 1e-6)) / 2e-6
        np.testing.assert_allclose(link.slope(at), numeric, rtol=1e-6)


def test_many_rows_of_which_every_sixteenth_is_unlike_the_others():
    rng = np.random.default_rng(0)
    n = (1 << 17) + 321
    x = rng.normal(size=n)
    z = rng.normal(size=n) + 1e5
    p = 1.0 / (1.0 + np.exp(0.5 - x))
    y = (rng.random(n) < p).astype(float)
    some = slice(None, None, 16)
    # Outcomes of these rows are told by x alone: by themselves they have no maximum.
    y[some] = (x[some] > 0).astype(float)
    columns = np.column_stack([np.ones(n), x, z - 1e5])
    found = irls.fit_glm(columns, y, family_of("binomial"))
    order = rng.permutation(n)
    shuffled = irls.fit_glm(columns[order], y[order], family_of("binomial"))
    np.testing.assert_allclose(found.coef, shuffled.coef, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.deviance, shuffled.deviance, rtol=1e-10)
