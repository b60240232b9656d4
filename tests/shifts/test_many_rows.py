"""The ratio's logit on the designs as they stand, which many rows take, against the one on columns centred and scaled."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NotIdentifiedError
from statinf.shifts import logistic


@pytest.fixture
def samples():
    random = np.random.default_rng(4)
    x, z = random.standard_normal((900, 3)), random.standard_normal((700, 3)) + 0.3
    source = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=x.sum(axis=1) + random.standard_normal(900))
    return source, pd.DataFrame(z, columns=["a", "b", "c"])


def both(monkeypatch, make):
    found = make()
    monkeypatch.setattr(logistic, "MANY_ROWS", 100)
    scaled, used = logistic._scaled, []
    monkeypatch.setattr(logistic, "_scaled", lambda *given: used.append(1) or scaled(*given))
    return found, make(), bool(used)


def test_the_same_mean_ratio_and_errors(monkeypatch, samples):
    one, other, scaled = both(monkeypatch, lambda: si.target_mean("y ~ a + b + c", *samples))
    assert not scaled
    np.testing.assert_allclose(other.params, one.params, rtol=1e-12)
    np.testing.assert_allclose(other.std_errors, one.std_errors, rtol=1e-9)
    np.testing.assert_allclose(other.conf_int(), one.conf_int(), rtol=1e-9)
    one, other, _ = both(monkeypatch, lambda: si.density_ratio("~ a + b + c", *samples))
    np.testing.assert_allclose(other.values, one.values, rtol=1e-9)
    np.testing.assert_allclose(other.score(samples[1]), one.score(samples[1]), rtol=1e-9)
    np.testing.assert_allclose(other.influence, one.influence @ _turned(one, other), atol=1e-9)


def _turned(one, other):
    """Influence on coefficients of the columns as they stand from that on coefficients of scaled ones."""
    return np.linalg.lstsq(one.influence, other.influence, rcond=None)[0]


@pytest.mark.parametrize("formula", ["~ a + far", "~ a + twice", "~ 0 + a + b"])
def test_columns_that_need_it_are_scaled(monkeypatch, samples, formula):
    source, target = (s.assign(far=s["b"] + 1e7, twice=2 * s["a"]) for s in samples)
    one, other, scaled = both(monkeypatch, lambda: si.density_ratio(formula, source, target))
    assert scaled
    np.testing.assert_allclose(other.values, one.values, rtol=1e-9)


def test_samples_that_columns_separate_are_refused(monkeypatch, samples):
    source, target = (
        s.assign(k=s["a"] + 0.1 * np.tanh(s["b"]) + by) for s, by in zip(samples, (0.0, 1.0), strict=True)
    )
    monkeypatch.setattr(logistic, "MANY_ROWS", 100)
    with pytest.raises(NotIdentifiedError, match="'k'.* separate source from target rows"):
        si.density_ratio("~ a + k", source, target)
