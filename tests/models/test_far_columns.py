"""Where a column stands costs the digits of the column and no more."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from statinf.errors import AliasedWarning

N, FAR = 200, 1e8
KINDS = ["iid", "HC0", "HC1", "HC2", "HC3", *({"cluster": "g", "type": f"HC{i}"} for i in range(4))]
# Each entry of the moved column is a multiple of 1.5e-8; the sums of 200 of them have a few units of it.
DIGITS = 1e-7


@pytest.fixture
def pair():
    """A frame with a column far from zero, and the same column after the distance is taken off again."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, N))
    far = x + FAR
    data = {"z": z, "g": np.arange(N) % 20, "y": 1 + x + z + rng.normal(size=N) * (1 + abs(x))}
    data |= {"b": (rng.random(N) < 1 / (1 + np.exp(-x))).astype(float), "c": rng.poisson(np.exp(0.3 * x)).astype(float)}
    return data | {"x": far}, data | {"x": far - FAR}


def fitted(verb, data, vcov="HC1"):
    if verb == "lm":
        return si.lm("y ~ z + x", data, vcov=vcov)
    family, outcome = verb
    return si.glm(f"{outcome} ~ z + x", data, family=family, vcov=vcov)


@pytest.mark.parametrize("verb", ["lm", ("binomial", "b"), ("poisson", "c")], ids=str)
@pytest.mark.parametrize("vcov", KINDS, ids=str)
def test_standard_errors_are_those_of_the_centred_column(pair, verb, vcov):
    far, near = (fitted(verb, data, vcov) for data in pair)
    np.testing.assert_allclose(far.theta[1:], near.theta[1:], rtol=DIGITS)
    np.testing.assert_allclose(far.std_errors[["z", "x"]], near.std_errors[["z", "x"]], rtol=DIGITS)


@pytest.mark.parametrize("verb", ["lm", ("binomial", "b")], ids=str)
def test_predictions_leverages_influence_and_tests_are_too(pair, verb):
    far, near = (fitted(verb, data) for data in pair)
    for theirs, ours in zip(near.predict().to_numpy().T, far.predict().to_numpy().T, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=DIGITS, atol=DIGITS)
    np.testing.assert_allclose(far.augment()["leverage"], near.augment()["leverage"], rtol=DIGITS)
    np.testing.assert_allclose(far.influence[:, 1:], near.influence[:, 1:], atol=DIGITS * np.abs(near.influence).max())
    # An equation about the mean at the column's place: the same line, so the same test.
    ours = far.test(np.array([[1.0, 0.0, FAR]]), [1.0])
    theirs = near.test("Intercept = 1")
    assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-5)
    assert far.test("x = 0, z = 0").statistic == pytest.approx(near.test("x = 0, z = 0").statistic, rel=DIGITS)


@pytest.mark.parametrize("kind", ["multiplier", "pairs", "wild"])
def test_bootstrap_draws_are_too(pair, kind):
    far, near = (fitted("lm", data).bootstrap(99, kind=kind) for data in pair)
    np.testing.assert_allclose(far.draws.draws[:, 1:], near.draws.draws[:, 1:], rtol=1e-6)
    np.testing.assert_allclose(far.predict()["std_error"], near.predict()["std_error"], rtol=1e-6)


def test_a_logistic_bootstrap_refits_far_columns(pair):
    far, near = (fitted(("binomial", "b"), data).bootstrap(64, kind="bayesian") for data in pair)
    np.testing.assert_allclose(far.draws.draws[:, 1:], near.draws.draws[:, 1:], rtol=1e-6)


@pytest.mark.parametrize("start", ["", "0 + C(g) + "], ids=["intercept", "groups"])
def test_a_column_that_others_determine_is_dropped_beside_a_far_one(start):
    rng = np.random.default_rng(1)
    x, z = 1e6 + rng.normal(size=60), rng.normal(size=60)
    data = {"y": rng.normal(size=60), "x": x, "z": z, "dup": 2 * (x - 1e6) - 3 * z, "g": np.arange(60) % 3}
    with pytest.warns(AliasedWarning, match="'dup'"):
        fit = si.lm(f"y ~ {start}x + z + dup", data)
    assert fit.df_resid == (55 if start else 57)
    assert np.isfinite(fit.theta[:-1]).all()


def test_what_has_digits_left_is_kept():
    """A spread of 1e-5 about 1e8 is six hundred times the spacing of numbers there."""
    rng = np.random.default_rng(2)
    x = 1e8 + 1e-5 * rng.normal(size=60)
    assert si.lm("y ~ x", {"y": rng.normal(size=60), "x": x}).estimable.all()
    with pytest.warns(AliasedWarning):  # nothing but rounding is left of this one
        si.lm("y ~ x", {"y": rng.normal(size=60), "x": 1e8 + 1e-8 * rng.normal(size=60)})
