import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge as Peer

from statinf.learners import KernelRidge, leave_one_out
from statinf.learners import kernel_ridge as module
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.numerics.kernels.solve import solve_subsets

PLAIN = KernelRidge(0.8, intercept=False, standardize=False, bandwidth=2.0)
PEER = Peer(kernel="rbf", gamma=1 / 8, alpha=0.8)


def rows(n, p=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p))
    return x, np.sin(x[:, 0]) + x[:, 1] + 0.3 * rng.standard_normal(n), rng.exponential(size=n) + 0.05


def test_without_a_constant_it_is_scikit_learns():
    x, y, w = rows(200)
    np.testing.assert_allclose(PLAIN.fit(x, y, w).predict(x), PEER.fit(x, y, sample_weight=w).predict(x), atol=1e-10)
    linear = KernelRidge(2.0, "linear", 1.0, intercept=False, standardize=False)
    np.testing.assert_allclose(linear.fit(x, y).predict(x), Peer(alpha=2.0).fit(x, y).predict(x), atol=1e-10)


def test_leave_one_out_without_a_constant_is_the_refits():
    x, y, w = rows(40)
    found = leave_one_out(PLAIN, x, y, w)
    for i in (0, 17):
        keep = np.arange(40) != i
        assert found.residuals[i] == pytest.approx(y[i] - PLAIN.fit(x[keep], y[keep], w[keep]).predict(x[[i]])[0])
        np.testing.assert_allclose(
            found.predict_without(x, [i])[:, 0], PLAIN.fit(x[keep], y[keep], w[keep]).predict(x), atol=1e-9
        )


@pytest.mark.parametrize("iterate", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_all_folds_and_outcomes_at_once_are_the_separate_fits(iterate, intercept, monkeypatch):
    monkeypatch.setattr(module, "_ITERATE_FROM", 0 if iterate else 10**9)
    x, y, w = rows(300)
    d = (x[:, 0] > 0).astype(float)
    w[:7] = 0.0
    learner = KernelRidge(0.8, intercept=intercept, standardize=False, bandwidth=2.0)
    folds = np.arange(300) % 4
    asked = [Nuisance("y", y, learner), Nuisance("d", d, learner), Nuisance("arm", y, learner, rows=d > 0)]
    made = cross_predict(x, asked, folds[None], w)[0]
    unit = w / w[w > 0].mean()  # penalties count rows of average weight
    monkeypatch.setattr(module, "_ITERATE_FROM", 10**9)
    for q in asked:
        for k in range(4):
            train = (folds != k) & (w > 0) & (np.ones(300, bool) if q.rows is None else q.rows)
            direct = learner.fit(x[train], q.target[train], unit[train]).predict(x[folds == k])
            np.testing.assert_allclose(made[q.name][folds == k], direct, atol=1e-9)


def test_a_large_fit_is_scikit_learns():
    x, y, w = rows(1600)
    np.testing.assert_allclose(PLAIN.fit(x, y, w).predict(x), PEER.fit(x, y, sample_weight=w).predict(x), atol=1e-9)


def test_subsets_are_solved_to_double_precision_or_not_at_all():
    x, y, w = rows(500)
    K = np.exp(-0.125 * np.square(x[:, None] - x).sum(axis=2))
    keep = np.random.default_rng(1).random((3, 500)) < 0.7
    right = np.column_stack([y, np.ones(500)])
    found = solve_subsets(K, 0.5 / w, keep, right)
    assert found is not None
    for k, chosen in enumerate(keep):
        exact = np.linalg.solve(K[np.ix_(chosen, chosen)] + np.diag(0.5 / w[chosen]), right[chosen])
        np.testing.assert_allclose(found[k][chosen], exact, atol=1e-10 * np.abs(exact).max())
        assert not found[k][~chosen].any()
    # Noise at the rounding of single precision and a spectrum that no landmarks hold: refused, not returned half solved.
    rough = np.exp(-50.0 * np.abs(x[:, :1] - x[:, 0]))
    hard = solve_subsets(rough * 1e6, np.full(500, 1e-3), keep, right)
    if hard is not None:
        chosen = keep[0]
        left = (rough[np.ix_(chosen, chosen)] * 1e6 + 1e-3 * np.eye(chosen.sum())) @ hard[0][chosen] - right[chosen]
        assert np.abs(left).max() < 1e-9
