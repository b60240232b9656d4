"""Ridge, weighted quantiles, Gram matrices by fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statinf.errors import OptionError
from statinf.numerics.linear.gram import fits_without_each_fold, fold_grams
from statinf.numerics.linear.ridge import ridge_path
from statinf.numerics.order.quantiles import weighted_quantile


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5)) * [1, 10, 0.1, 1, 1]
    return x, x[:, 0] + rng.normal(size=80), rng.uniform(0.2, 2.0, 80)


def test_ridge_is_scikit_learns(data):
    from sklearn.linear_model import Ridge

    x, y, w = data
    path = ridge_path(x, y, [0.1, 3.0, 200.0], w)
    for k, penalty in enumerate(path.penalties):
        peer = Ridge(alpha=penalty, solver="svd").fit(x, y, sample_weight=w)
        np.testing.assert_allclose(path.coef[k], peer.coef_, rtol=1e-9)
        np.testing.assert_allclose(path.intercept[k], peer.intercept_, rtol=1e-9)


def test_leave_one_out_error_is_that_of_refits(data):
    x, y, w = data
    path = ridge_path(x, y, [2.0], w)
    errors = []
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        part = ridge_path(x[keep], y[keep], [2.0], w[keep])
        errors.append(w[i] * (y[i] - part.intercept[0] - x[i] @ part.coef[0]) ** 2)
    np.testing.assert_allclose(path.loo_error[0], np.sum(errors) / w.sum(), rtol=1e-9)


def test_ridge_refuses_no_penalty(data):
    with pytest.raises(OptionError, match="positive"):
        ridge_path(data[0], data[1], [0.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 10), st.integers(1, 4)), min_size=1, max_size=12),
    st.floats(0, 1),
)
def test_integer_weights_are_repeated_rows(rows, p):
    values, counts = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    expanded = np.quantile(np.repeat(values, counts), p, method="inverted_cdf")
    found = weighted_quantile(values, p, counts)
    # At a probability that is a multiple of 1/n rounding may choose either neighbour.
    share = p * counts.sum()
    if abs(share - round(share)) > 1e-9:
        assert found == expanded


def test_linear_quantiles_are_type_seven():
    x = np.random.default_rng(0).normal(size=31)
    p = np.linspace(0, 1, 17)
    np.testing.assert_allclose(weighted_quantile(x, p, kind="linear"), np.quantile(x, p), rtol=1e-12)


def test_quantile_options():
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        weighted_quantile(np.ones(3), 1.2)
    with pytest.raises(OptionError, match="positive weight"):
        weighted_quantile(np.ones(3), 0.5, np.zeros(3))


def test_fits_without_each_fold_are_refits(data):
    x, y, w = data
    design = np.column_stack([np.ones(80), x])
    folds = np.random.default_rng(1).integers(0, 4, 80)
    sums = fold_grams(design, y, folds, w)
    coef = fits_without_each_fold(sums)
    for f in range(4):
        out = folds != f
        root = np.sqrt(w[out])
        expected = np.linalg.lstsq(design[out] * root[:, None], y[out] * root, rcond=None)[0]
        np.testing.assert_allclose(coef[f, :, 0], expected, rtol=1e-9)


def test_fold_sums_do_not_depend_on_blocks(data, monkeypatch):
    from statinf.numerics.linear import gram

    x, y, w = data
    folds = np.arange(80) % 3
    whole = fold_grams(x, y, folds, w)
    monkeypatch.setattr(gram, "_BLOCK_ELEMENTS", 1)
    monkeypatch.setattr(gram, "max", lambda a, b: 7, raising=False)
    pieces = fold_grams(x, y, folds, w)
    for name in ("gram", "moment", "squares", "weight"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-12)
