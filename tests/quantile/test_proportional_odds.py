"""Proportional odds beside statsmodels OrderedModel."""

import numpy as np
import pytest

from statinf.errors import NotIdentifiedError, StatinfError
from statinf.quantile.presto.odds import proportional_odds
from statinf.quantile.presto.path import PrestoRows


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(2, 1, 300), rng.integers(0, 2, 300)])
    latent = X @ [0.7, -0.8] + rng.logistic(size=300)
    return PrestoRows(X, np.digitize(latent, [0.5, 2.0]), 3, np.ones(300))


def test_estimates_and_errors_are_those_of_statsmodels(rows):
    ordinal = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    model = ordinal.OrderedModel(rows.codes, rows.X, distr="logit")
    peer = model.fit(method="newton", disp=0, tol=1e-12)
    theta, loglik, moments = proportional_odds(rows)
    np.testing.assert_allclose(
        theta, np.r_[model.transform_threshold_params(peer.params)[1:-1], -peer.params[:2]], atol=1e-6
    )
    assert loglik == pytest.approx(peer.llf, abs=1e-8)
    errors = np.sqrt(np.diag(moments.model))
    # the peer differentiates numerically; its cuts are increments in logarithms, the first of them is a cut itself
    np.testing.assert_allclose(errors[[2, 3, 0]], peer.bse[:3], rtol=1e-5)


def test_scores_sum_to_zero_and_bread_is_their_inverse_slope(rows):
    _, _, moments = proportional_odds(rows)
    np.testing.assert_allclose(moments.scores.sum(axis=0), 0, atol=1e-6)
    step = 1e-4
    heavier = PrestoRows(rows.X, rows.codes, 3, rows.weights + step * (np.arange(300) == 7))
    lighter = PrestoRows(rows.X, rows.codes, 3, rows.weights - step * (np.arange(300) == 7))
    moved = (proportional_odds(heavier)[0] - proportional_odds(lighter)[0]) / (2 * step)
    np.testing.assert_allclose(moments.bread @ moments.scores[7], moved, atol=1e-6)


def test_columns_far_away_keep_their_slopes(rows):
    base, _, moments = proportional_odds(rows)
    far, _, far_moments = proportional_odds(PrestoRows(rows.X * [1e-3, 1] + [1e3, 0], rows.codes, 3, rows.weights))
    np.testing.assert_allclose(far[2:] * [1e-3, 1], base[2:], rtol=1e-8)
    np.testing.assert_allclose(
        np.sqrt(np.diag(far_moments.bread))[2:] * [1e-3, 1], np.sqrt(np.diag(moments.bread))[2:], rtol=1e-6
    )


def test_aliased_and_separated_columns_are_refused(rows):
    with pytest.raises(NotIdentifiedError):
        proportional_odds(PrestoRows(np.column_stack([rows.X, rows.X[:, 0]]), rows.codes, 3, rows.weights))
    with pytest.raises(NotIdentifiedError):
        proportional_odds(PrestoRows(np.column_stack([rows.X, np.ones(300)]), rows.codes, 3, rows.weights))
    with pytest.raises(StatinfError):
        proportional_odds(PrestoRows(np.arange(30.0)[:, None], np.repeat([0, 1, 2], 10), 3, np.ones(30)))
