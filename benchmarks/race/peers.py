"""The other side of each race, `race__package`, each at its fastest setting that we know of; imports no statinf."""

from __future__ import annotations

from typing import Any

from benchmarks.race.rows import TEN, TERMS, Rows, X

Found = dict[str, tuple[float, float]]
NAN = float("nan")


def _statsmodels(fit: Any) -> Found:
    return {name: (float(fit.params[name]), float(fit.bse[name])) for name in fit.params.index}


def _pyfixest(fit: Any) -> Found:
    made = fit.tidy()
    return {str(t): (e, s) for t, e, s in zip(made.index, made["Estimate"], made["Std. Error"], strict=True)}


_LIGHT = {"copy_data": False, "store_data": False}


def lm__statsmodels(rows: Rows) -> Found:
    import statsmodels.formula.api as smf

    return _statsmodels(smf.ols(f"y ~ {TERMS}", rows.source).fit(cov_type="HC1"))


def lm__pyfixest(rows: Rows) -> Found:
    import pyfixest as pf

    return _pyfixest(pf.feols(f"y ~ {TERMS}", rows.source, vcov="hetero", **_LIGHT))


def clusters__statsmodels(rows: Rows) -> Found:
    import statsmodels.formula.api as smf

    fit = smf.ols(f"y ~ {TERMS}", rows.source).fit(cov_type="cluster", cov_kwds={"groups": rows.source["g"]})
    return _statsmodels(fit)


def clusters__pyfixest(rows: Rows) -> Found:
    import pyfixest as pf

    return _pyfixest(pf.feols(f"y ~ {TERMS}", rows.source, vcov={"CRV1": "g"}, **_LIGHT))


def logit__statsmodels(rows: Rows) -> Found:
    import statsmodels.formula.api as smf

    return _statsmodels(smf.logit(f"b ~ {TERMS}", rows.source).fit(method="newton", disp=0))


def logit__pyfixest(rows: Rows) -> Found:
    import pyfixest as pf

    return _pyfixest(pf.feglm(f"b ~ {TERMS}", rows.source, family="logit", vcov="iid", **_LIGHT))


def iv__pyfixest(rows: Rows) -> Found:
    import pyfixest as pf

    return _pyfixest(pf.feols(f"v ~ {TERMS} | e ~ z1 + z2", rows.source, vcov="hetero", **_LIGHT))


def iv__linearmodels(rows: Rows) -> Found:
    from linearmodels.iv import IV2SLS

    fit = IV2SLS.from_formula(f"v ~ 1 + {TERMS} + [e ~ z1 + z2]", rows.source).fit(cov_type="robust", debiased=True)
    return {name: (float(fit.params[name]), float(fit.std_errors[name])) for name in fit.params.index}


def rq__statsmodels(rows: Rows) -> Found:
    import statsmodels.formula.api as smf

    return _statsmodels(smf.quantreg(f"y ~ {TEN}", rows.source).fit(q=0.5))


def _doubleml(model: Any, name: str) -> Found:
    model.fit()
    return {name: (float(model.coef[0]), float(model.se[0]))}


def plr__doubleml(rows: Rows) -> Found:
    import doubleml as dml
    from sklearn.linear_model import Ridge

    data = dml.DoubleMLData(rows.source[[*X, "s", "dose"]], "s", "dose", X)
    return _doubleml(dml.DoubleMLPLR(data, Ridge(1.0), Ridge(1.0), n_folds=5), "dose")


def irm__doubleml(rows: Rows) -> Found:
    import doubleml as dml
    from sklearn.linear_model import LogisticRegression, Ridge

    data = dml.DoubleMLData(rows.source[[*X, "y", "t"]], "y", "t", X)
    chance = LogisticRegression(C=1.0, solver="newton-cholesky")
    return _doubleml(dml.DoubleMLIRM(data, Ridge(1.0), chance, n_folds=5), "t")


def conformal__mapie(rows: Rows) -> Found:
    from mapie.regression import SplitConformalRegressor
    from sklearn.linear_model import LinearRegression

    x, y, half = rows.source[X].to_numpy(), rows.source["y"].to_numpy(), rows.n // 2
    made = SplitConformalRegressor(LinearRegression(), confidence_level=0.9, prefit=False)
    made.fit(x[:half], y[:half]).conformalize(x[half:], y[half:])
    limits = made.predict_interval(rows.new.to_numpy())[1]
    return {"width": (float((limits[:, 1] - limits[:, 0]).mean()), NAN)}


def balance__empirical_calibration(rows: Rows) -> Found:
    import empirical_calibration as ec
    import numpy as np
    import statsmodels.api as sm

    t = rows.source["t"].to_numpy() == 1.0
    x = rows.source[X].to_numpy()
    found, _ = ec.calibrate(covariates=x[~t], target_covariates=x[t], objective=ec.Objective.ENTROPY)
    weights = np.ones(rows.n)
    weights[~t] = found * (~t).sum()
    fit = sm.WLS(rows.source["y"].to_numpy(), sm.add_constant(t.astype(float)), weights).fit(cov_type="HC0")
    return {"t": (float(fit.params[1]), float(fit.bse[1]))}


def target_mean__statsmodels(rows: Rows) -> Found:
    import numpy as np
    import statsmodels.api as sm

    y, xs, xt = (a.to_numpy() for a in (rows.source["y"], rows.source[X], rows.target))
    both = sm.add_constant(np.vstack([xs, xt]))
    which = np.repeat([0.0, 1.0], [len(xs), len(xt)])
    odds = np.exp(both[: len(xs)] @ sm.Logit(which, both).fit(disp=0).params)
    model = sm.OLS(y, both[: len(xs)]).fit()
    rest, at_target = y - model.fittedvalues, both[len(xs) :] @ model.params
    mean = at_target.mean() + odds @ rest / odds.sum()
    return {"mean": (float(mean), NAN)}


def lsa__sklearn(rows: Rows) -> Found:
    from sklearn.linear_model import SGDRegressor

    made = SGDRegressor(
        penalty=None, max_iter=1, tol=None, average=True, learning_rate="constant", eta0=0.01, random_state=0
    )
    made.fit(rows.source[X].to_numpy(), rows.source["y"].to_numpy())
    return {name: (float(slope), NAN) for name, slope in zip(X, made.coef_, strict=True)}


PACKAGES = {"empirical_calibration": "empirical-calibration", "sklearn": "scikit-learn"}
"""Names on PyPI where they are others than the module's."""
