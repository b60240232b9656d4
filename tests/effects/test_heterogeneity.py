"""Predicted effects are evaluated on rows that no stage has seen, and tests hold their size where effects do not vary."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.evaluation import combine
from statinf.effects.rate import rate
from statinf.effects.table import CATE

N = 200
FORMULA = "y ~ d | a + b"


def draw(seed, n=N, slope=0.0):
    rng = np.random.default_rng(seed)
    a, b, noise = rng.standard_normal((3, n))
    d = (rng.random(n) < 1 / (1 + np.exp(-0.5 * a))).astype(float)
    return pd.DataFrame({"y": a + d * slope * a + noise, "d": d, "a": a, "b": b, "e": 1 / (1 + np.exp(-0.5 * a))})


def cheap(method):
    return {"outcome_model": "ridge"} if method == "s" else {}


@pytest.mark.parametrize("method", list(CATE))
@pytest.mark.parametrize("known", [None, "e"])
def test_effects_have_not_seen_the_fold_in_any_stage(method, known):
    frame, labels = draw(0), np.arange(N) % 5
    rng = np.random.default_rng(1)
    here = labels == 3
    other = frame.assign(
        y=np.where(here, 50.0 * rng.standard_normal(N), frame["y"]), d=np.where(here, 1.0 - frame["d"], frame["d"])
    )
    one, two = (
        si.cate(FORMULA, f, method=method, folds=labels, propensity=known, **cheap(method)) for f in (frame, other)
    )
    np.testing.assert_array_equal(one.cate[here], two.cate[here])
    assert (one.cate[~here] != two.cate[~here]).all()
    # In sequence, fold 3 and what precedes it have not seen fold 3; fold 4 has.
    for step, ((rows, first), (_, second)) in enumerate(
        zip(one.learnt.sequential[0], two.learnt.sequential[0], strict=True)
    ):
        assert (labels[rows] == step + 1).all()
        assert np.array_equal(first, second) == (step < 3)


def test_inner_folds_keep_clusters_whole_and_repeats_apart():
    frame = draw(2).assign(g=np.arange(N) % 20)
    fit = si.cate(FORMULA, frame, method="dr", cluster="g", repeats=2)
    assert fit.learnt.cross_fold.shape == (2, N) and len(fit.learnt.sequential) == 2
    found = fit.gates()
    assert found.cov.label == "clustered by g (HC1), median of 2 splits" and np.isfinite(found.std_errors).all()


def test_folds_are_averaged_by_weights_that_their_outcomes_play_no_part_in():
    fit = si.cate(FORMULA, draw(3, slope=0.5), method="t")
    p, s = fit.learnt.evaluation[0], fit.learnt.sample
    residual = s.y - (p["propensity"] * p["outcome1"] + (1 - p["propensity"]) * p["outcome0"])
    v = s.d - p["propensity"]
    theta, plain, robust = [], [], []
    for rows, effect in fit.learnt.sequential[0]:
        frame = pd.DataFrame({"u": residual[rows], "v": v[rows], "z": v[rows] * (effect - effect.mean())})
        own = si.lm("u ~ v + z - 1", frame, vcov="HC3")
        unit = own.with_vcov("iid")._se() / np.sqrt((own.residuals**2).sum() / own.df_resid)
        theta.append(own.theta), plain.append(unit), robust.append(own._se())
    w = 1 / np.array(plain) / np.sum(1 / np.array(plain), axis=0)
    found = fit.calibration()
    np.testing.assert_allclose(found.theta, np.sum(w * theta, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found._se(), np.sqrt(np.sum((w * robust) ** 2, axis=0)), rtol=1e-9)
    # A covariance that is asked for later moves no estimate.
    again = found.with_vcov("HC0")
    np.testing.assert_array_equal(again.theta, found.theta)
    assert (again.std_errors < found.std_errors).all()
    gamma = fit.learnt.scores[0]
    each = [rate(gamma[r], e, s.w[r], replicas=9, seed=4 + i) for i, (r, e) in enumerate(fit.learnt.sequential[0])]
    # Folds of one size: the plain mean.
    ranked = fit.rate(replicas=9, seed=4)
    assert ranked.estimate == pytest.approx(np.mean([r.estimate for r in each]), rel=1e-12)
    assert ranked.std_error == pytest.approx(np.sqrt(np.sum([r.std_error**2 for r in each])) / len(each), rel=1e-12)
    assert "sequential" in str(ranked) and "sequential" in fit.gates().summary().to_text()
    assert "cross-fold" in fit.calibration(evaluation="cross-fold").summary().to_text()


def test_influence_gives_the_covariance_of_averaged_blocks():
    found = si.cate(FORMULA, draw(4), method="r").gates(3, vcov="HC0")
    np.testing.assert_allclose(found.influence.T @ found.influence, found.cov.matrix, rtol=1e-9, atol=1e-15)


def test_means_of_blocks():
    estimates, errors = np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[0.5, 0.1], [1.0, np.nan]])
    weights = combine(estimates, errors)
    np.testing.assert_allclose(weights, [[2 / 3, 1.0], [1 / 3, 0.0]])


def test_tests_hold_their_size_where_effects_do_not_vary():
    # benchmarks/heterogeneity_size.py has all learners; here the one that found heterogeneity in nine of ten samples.
    samples, rejected, across = 60, np.zeros(3), 0
    for seed in range(samples):
        fit = si.cate(FORMULA, draw(seed), method="t", seed=seed)
        gates = fit.gates().test(["d[G1] = d[G2]", "d[G2] = d[G3]", "d[G3] = d[G4]"]).p_value
        p = [fit.calibration().pvalues["heterogeneity"], gates, fit.rate(replicas=20).p_value]
        rejected += np.array(p) < 0.05
        across += fit.calibration(evaluation="cross-fold").pvalues["heterogeneity"] < 0.05
    band = 3.29 * np.sqrt(0.05 * 0.95 / samples)
    assert (rejected / samples < 0.05 + band).all()
    # Leaving folds out in turn does not do: the pooled statistic is far from normal.
    assert across / samples > 0.05 + band


def test_effects_that_vary_are_found():
    fit = si.cate(FORMULA, draw(7, 600, slope=1.0), method="ivw")
    assert fit.calibration().pvalues["heterogeneity"] < 1e-4 and fit.rate(replicas=50).p_value < 1e-3
    assert fit.gates().test("d[G1] = d[G4]").p_value < 1e-4
    assert fit.clan().set_index("variable").loc["a", "difference"] > 1.0


def test_what_cannot_be_evaluated_says_so():
    frame = draw(8)
    whole = si.cate(FORMULA, frame, folds=1)
    for ask in (whole.calibration, whole.gates, whole.clan, whole.rate):
        with pytest.raises(si.NotIdentifiedError, match="fit with folds=5"):
            ask()
    assert whole.gates(priority=frame["a"]).evaluation == ""
    few = si.cate(FORMULA, frame, folds=2)
    assert few.calibration().nobs == N // 2 and few.gates().facts["Evaluation"].startswith("sequential, 1 fold ")
    # Folds in which an arm has nothing to learn from teach nobody; evaluation begins later.
    order = np.argsort(frame["d"].to_numpy(), kind="stable")
    labels = np.empty(N, int)
    labels[order] = np.minimum(np.arange(N) // 40, 4)
    assert len(si.cate(FORMULA, frame, method="t", folds=labels).learnt.sequential[0]) < 4


def test_effects_without_variation_have_no_slope():
    fit = si.cate(FORMULA, draw(9), effect="~ 1")
    found = fit.calibration()
    assert np.isnan(found.params["heterogeneity"]) and np.isfinite(found.std_errors["average"])
    assert fit.rate(replicas=5).estimate == pytest.approx(0.0, abs=1e-12)
