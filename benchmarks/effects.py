"""Treatment effects beside DoubleML, econml and linearmodels: the same folds, the same nuisances, the same answers.

Each piece of work is the whole of it, from a data frame (or arrays, for peers that take no frame) to estimates with standard
errors. Peers use scikit-learn's own linear learners; `STATINF_BENCH_QUICK` runs everything at a tenth of the rows.
"""

from __future__ import annotations

import os
import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.kernel_ridge import KernelRidge as PeerKernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as PeerRidge

import statinf as si
from benchmarks.harness import compare
from statinf.learners.kernel_ridge import KernelRidge
from statinf.learners.linear import Ridge
from statinf.learners.logit import Logit
from statinf.learners.multinomial import Multinomial
from statinf.learners.nuisance import splits

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
SCALE = 10 if QUICK else 1
P = 20
FORMULA = "y ~ d | " + " + ".join(f"x{i}" for i in range(P))
PENALTY = 1.0
OUTCOME, TREATMENT = Ridge(PENALTY), Logit(PENALTY)
PEER_OUTCOME = PeerRidge(alpha=PENALTY)
PEER_TREATMENT = LogisticRegression(C=1.0 / PENALTY, tol=1e-10, solver="newton-cholesky", max_iter=100)


@lru_cache(maxsize=1)
def confounded(n):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, P))
    d = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x[:, 0]))).astype(float)
    y = x @ rng.standard_normal(P) + d * (1 + x[:, 1]) + rng.standard_normal(n)
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(P)]).assign(y=y, d=d)


def ours(method, n, folds, **options):
    fit = si.effect(
        FORMULA, confounded(n), method=method, folds=folds, outcome_model=OUTCOME, treatment_model=TREATMENT, **options
    )
    return np.array([fit.theta[0], fit.std_errors.iloc[0]])


def doubleml(method, n, split):
    import doubleml as dml

    data = dml.DoubleMLData(confounded(n), "y", "d", [f"x{i}" for i in range(P)])
    if method == "plr":
        model = dml.DoubleMLPLR(data, PEER_OUTCOME, PEER_TREATMENT, draw_sample_splitting=False)
    else:
        model = dml.DoubleMLIRM(data, PEER_OUTCOME, PEER_TREATMENT, draw_sample_splitting=False)
    sets = [[(np.flatnonzero(s != k), np.flatnonzero(s == k)) for k in range(5)] for s in np.atleast_2d(split)]
    model.set_sample_splitting(sets)
    model.fit()
    return np.array([model.coef[0], model.se[0]])


def econml_plr(n, split):
    from econml.dml import LinearDML

    frame = confounded(n)
    x = frame[[f"x{i}" for i in range(P)]].to_numpy()
    sets = [(np.flatnonzero(split != k), np.flatnonzero(split == k)) for k in range(5)]
    model = LinearDML(model_y=PEER_OUTCOME, model_t=PEER_TREATMENT, discrete_treatment=True, cv=sets)
    model.fit(frame["y"].to_numpy(), frame["d"].to_numpy().astype(int), W=x)
    return np.array([model.intercept_, model.intercept__inference().stderr]).ravel()


def econml_irm(n, split):
    from econml.dr import LinearDRLearner

    frame = confounded(n)
    x = frame[[f"x{i}" for i in range(P)]].to_numpy()
    sets = [(np.flatnonzero(split != k), np.flatnonzero(split == k)) for k in range(5)]
    model = LinearDRLearner(
        model_propensity=PEER_TREATMENT, model_regression=_ByArm(PENALTY), cv=sets, min_propensity=0.01
    )
    model.fit(frame["y"].to_numpy(), frame["d"].to_numpy().astype(int), W=x)
    return np.array([model.intercept_(T=1), model.intercept__inference(T=1).stderr]).ravel()


class _ByArm(RegressorMixin, BaseEstimator):
    """A ridge regression in each arm: econml hands the treatment over as the last column."""

    def __init__(self, penalty=1.0):
        self.penalty = penalty

    def fit(self, X, y):
        self.fits_ = [PeerRidge(alpha=self.penalty).fit(X[X[:, -1] == a, :-1], y[X[:, -1] == a]) for a in (0, 1)]
        return self

    def predict(self, X):
        return np.where(X[:, -1] == 1, self.fits_[1].predict(X[:, :-1]), self.fits_[0].predict(X[:, :-1]))


@lru_cache(maxsize=1)
def three_arms(n):
    """Arms a, b and c with effects of one and two of the latter, assigned by a multinomial logit."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, P))
    score = np.column_stack([np.zeros(n), 0.5 * x[:, 0], 0.4 * x[:, 1] - 0.3]) + rng.gumbel(size=(n, 3))
    arm = score.argmax(axis=1)
    y = x @ rng.standard_normal(P) + arm * (1 + 0.2 * x[:, 1]) + rng.standard_normal(n)
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(P)]).assign(y=y, d=arm)


def ours_arms(method, n, folds):
    options = {"outcome_model": OUTCOME, "treatment_model": Multinomial(PENALTY)}
    fit = si.effect(FORMULA, three_arms(n), method=method, folds=folds, **options)
    return np.append(fit.theta, fit.std_errors)


def doubleml_arms(n, split):
    """Average potential outcomes of each arm, with a logit of each arm beside the others, and their contrasts."""
    import doubleml as dml

    data = dml.DoubleMLData(three_arms(n), "y", "d", [f"x{i}" for i in range(P)])
    model = dml.DoubleMLAPOS(
        data, PEER_OUTCOME, PEER_TREATMENT, treatment_levels=[0, 1, 2], draw_sample_splitting=False
    )
    model.set_sample_splitting([[(np.flatnonzero(split != k), np.flatnonzero(split == k)) for k in range(5)]])
    contrast = model.fit().causal_contrast(reference_levels=0)
    return np.append(contrast.thetas, contrast.ses)


def near_in_errors(a, b):
    """Differences of both from the true effects, in standard errors; they must be near each other in these."""
    assert np.abs((a - b)[:2] / b[2:]).max() < 0.2 and np.abs(a / b - 1)[2:].max() < 0.02, (a, b)
    return tuple(float(np.abs((v[:2] - [1.0, 2.0]) / v[2:]).max()) for v in (a, b))


def same(tolerance=1e-8, errors=True):
    """Answers agree: the estimate, and its standard error where both mean the same."""

    def check(a, b):
        gap = np.abs((a - b) / b)[: 2 if errors else 1].max()
        assert gap < tolerance, (a, b)
        return float(gap)

    return check


IV = "y ~ d | " + " + ".join(f"x{i}" for i in range(2, P)) + " | x0 + x1"


def ours_iv(n):
    fit = si.iv(IV, confounded(n))
    return np.array([fit.params["d"], fit.std_errors["d"]])


def linearmodels_iv(n):
    from linearmodels.iv import IV2SLS

    frame = confounded(n)
    exogenous = frame[[f"x{i}" for i in range(2, P)]].assign(constant=1.0)
    fit = IV2SLS(frame["y"], exogenous, frame[["d"]], frame[["x0", "x1"]]).fit(cov_type="robust", debiased=True)
    return np.array([fit.params["d"], fit.std_errors["d"]])


KERNEL = KernelRidge(PENALTY, bandwidth=np.sqrt(P), intercept=False, standardize=False)
PEER_KERNEL = {"kernel": "rbf", "gamma": 0.5 / P, "alpha": PENALTY}


class _MeanOne(PeerKernelRidge):
    """Weights of mean one, as ours: the penalty then means the same, whatever the residuals are."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y, sample_weight=sample_weight / sample_weight.mean())


def ours_kernel(n, split):
    frame, models = confounded(n), {"outcome_model": KERNEL, "treatment_model": KERNEL, "final": KERNEL}
    fit = si.cate(FORMULA, frame, method="r", folds=split, **models)
    return fit.predict(frame)["estimate"].to_numpy()


def econml_kernel(n, split):
    from econml.dml import NonParamDML

    frame = confounded(n)
    x = frame[[f"x{i}" for i in range(P)]].to_numpy()
    sets = [(np.flatnonzero(split != k), np.flatnonzero(split == k)) for k in range(5)]
    model = NonParamDML(
        model_y=PeerKernelRidge(**PEER_KERNEL),
        model_t=PeerKernelRidge(**PEER_KERNEL),
        model_final=_MeanOne(**PEER_KERNEL),
        cv=sets,
    )
    model.fit(frame["y"].to_numpy(), frame["d"].to_numpy(), X=x)
    return model.effect(x)


def same_curve(a, b):
    gap = np.abs(a - b).max() / np.abs(b).max()
    assert gap < 1e-8, gap
    return float(gap)


def main():
    warnings.simplefilter("ignore")
    big, middle = 1_000_000 // SCALE, 10_000
    split = np.arange(big) % 5
    few = {"repeat": 1, "warmup": 0}
    for method in ("plr", "irm"):
        name = f"{method}, ridge and logit, 5 folds, n = {big}, p = {P}"
        compare(
            name, lambda m=method: ours(m, big, split), lambda m=method: doubleml(m, big, split), peer_name="doubleml",
            check=same(), **few,
        )  # fmt: skip
        peer = econml_plr if method == "plr" else econml_irm
        compare(
            f"{name}, econml", lambda m=method: ours(m, big, split), lambda f=peer: f(big, split), peer_name="econml",
            check=same(1e-6, errors=False), note="econml's standard error is HC1 of the final stage", **few,
        )  # fmt: skip
    for method, folds in (("irm", split), ("aipw", 1)):
        compare(
            f"{method}, three arms, ridge and logit, n = {big}, p = {P}",
            lambda m=method, f=folds: ours_arms(m, big, f),
            lambda: doubleml_arms(big, split), peer_name="doubleml", check=near_in_errors,
            note="doubleml: 5 folds, a logit per arm; ours: one multinomial logit; error: in standard errors, from the truth",
            **few,
        )  # fmt: skip
    repeats = 100 // SCALE
    strata = confounded(middle)["d"].to_numpy()
    for method in ("plr", "irm"):
        drawn = splits(middle, 5, repeats, 0, strata)
        compare(
            f"{method}, {repeats} repeated splits, n = {middle}",
            lambda m=method: ours(m, middle, 5, repeats=repeats),
            lambda m=method, s=drawn: doubleml(m, middle, s), peer_name="doubleml", check=same(1e-8, errors=False),
            note="standard errors of repeated splits are put together differently; estimates are medians in both", **few,
        )  # fmt: skip
    rows = 5_000 // (5 if QUICK else 1)
    folds = np.arange(rows) % 5
    compare(f"R-learner, kernel ridge, 5 folds, n = {rows}, effects of all rows", lambda: ours_kernel(rows, folds),
            lambda: econml_kernel(rows, folds), peer_name="econml", check=same_curve, repeat=3,
            note="kernel ridge without a constant, as scikit-learn's, for outcome, treatment and effect")  # fmt: skip
    compare(f"2SLS, robust, n = {big}", lambda: ours_iv(big), lambda: linearmodels_iv(big), peer_name="linearmodels",
            check=same(), repeat=3)  # fmt: skip


if __name__ == "__main__":
    main()
