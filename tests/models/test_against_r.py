"""lm and glm against R: coefficients, every covariance, tables, predictions, diagnostics, tests."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import statinf as si
from reference import Case, cases
from statinf.inference import linear_restrictions
from statinf.inference.roots import repaired

RTOL = 1e-8
LINEAR, GENERALIZED = cases("r_lm"), cases("r_glm")


def fitted(case: Case, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if case.kind == "r_lm":
            return si.lm(case.formula, case.data(), weights=case.weights, **options)
        family = {"family": case.family.lower(), "link": case.link}
        return si.glm(case.formula, case.data(), weights=case.weights, **family, **options)


def close(ours, theirs, rtol=RTOL):
    np.testing.assert_allclose(
        np.asarray(ours, float), np.asarray(theirs, float), rtol=rtol, atol=1e-300, equal_nan=True
    )


def covariance_error(ours, theirs):
    scale = np.sqrt(np.abs(np.diag(theirs)))
    return np.max(np.abs(ours - theirs) / np.outer(scale, scale))


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_coefficients_and_aliasing(case):
    fit = fitted(case)
    assert (fit.estimable == case.estimable).all()
    close(fit.theta, case.coefficients)
    assert fit.nobs == case["nobs"] and fit.df_resid == case["df_residual"]


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_model_based_and_robust_covariances(case):
    fit = fitted(case)
    for name, theirs in case["vcov"].items():
        ours = fit.with_vcov({"const": "iid"}.get(name, name)).cov.matrix
        assert covariance_error(ours, theirs) < RTOL, name


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_clustered_covariances(case):
    """One- and multi-way; HC2 and HC3 where no weight varies within a cluster (see test_sandwich for those)."""
    compared = 0
    for record in case.get("vcov_cluster"):
        names = list(record["cluster"])
        small_sample = record["type"] in ("HC2", "HC3")
        if not record["cadjust"] or record["multi0"]:
            continue
        if small_sample and (case.weights or case.kind == "r_glm"):
            continue
        kind = {"cluster": names if len(names) > 1 else names[0], "type": record["type"]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", si.StatinfWarning)
            fit = fitted(case)
            found, theirs = fit.with_vcov(kind).cov, record["vcov"]
        if "positive semi-definite" in found.label:
            # R's was left indefinite. Mended, as here, on the scale of the whitened columns.
            whitened = fit.factor @ theirs @ fit.factor.T
            assert np.linalg.eigvalsh(whitened)[0] < 0
            back = np.linalg.inv(fit.factor)
            theirs = back @ repaired(whitened)[0] @ back.T
        assert covariance_error(found.matrix, theirs) < RTOL, kind
        compared += 1
    if case.get("vcov_cluster"):
        assert compared


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_fit_statistics(case):
    glance = fitted(case, vcov="iid").glance().iloc[0]
    stats = case["stats"]
    pairs = {"r_squared": "r_squared", "adj_r_squared": "adj_r_squared", "sigma": "sigma", "loglik": "loglik"}
    pairs |= {"aic": "aic", "bic": "bic", "deviance": "rss", "statistic": "F"}
    for ours, theirs in pairs.items():
        if stats.get(theirs) is not None:
            close(glance[ours], stats[theirs])


@pytest.mark.parametrize("case", GENERALIZED, ids=str)
def test_generalised_fit_statistics(case):
    glance = fitted(case).glance().iloc[0]
    stats = case["stats"]
    for name in ("deviance", "null_deviance", "dispersion", "loglik", "aic", "bic"):
        # R counts rows of weight zero in the BIC; they are not observations.
        if stats.get(name) is None or (name == "bic" and "zero_weights" in case.name):
            continue
        close(glance[name], stats[name])


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_tables(case):
    for name, table in case["tables"].items():
        if name not in ("const", "HC1", "HC3"):
            continue
        fit = fitted(case, vcov={"const": "iid"}.get(name, name))
        tidy = fit.tidy().loc[fit.estimable]
        close(tidy["std_error"], table["std_error"])
        close(tidy["statistic"], table["statistic"], 1e-7)
        if case.kind == "r_lm" or case.family.lower() in ("binomial", "poisson"):
            # lmtest uses z for every glm; gaussian and gamma models have t in R's own summary and here.
            close(tidy["p_value"], table["p_value"], 1e-6)
            close(tidy["conf_low"], table["conf_low"], 1e-7)
            close(tidy["conf_high"], table["conf_high"], 1e-7)
        elif name == "const":
            close(tidy["p_value"], case["summary_table"]["p_value"], 1e-6)


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_predictions(case):
    fit, record = fitted(case, vcov="iid"), case["prediction"]
    mean = fit.predict(case.newdata(), interval="confidence", level=0.95)
    close(mean["estimate"], record["fit"])
    close(mean["std_error"], record["se_fit"])
    for bound in ("lower", "upper"):
        close(mean[{"lower": "conf_low", "upper": "conf_high"}[bound]], record["confidence_95"][bound], 1e-7)
        outcome = fit.predict(case.newdata(), interval="prediction", level=0.9)
        close(outcome[bound], record["prediction_90"][bound], 1e-7)


@pytest.mark.parametrize("case", GENERALIZED, ids=str)
def test_generalised_predictions(case):
    fit, record = fitted(case), case["prediction"]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        link, response = fit.predict(case.newdata(), scale="link"), fit.predict(case.newdata())
    # A row that breaks an alias has no prediction here; R gives the number that the alias would have given.
    seen = link["estimate"].notna().to_numpy()
    assert seen.all() or (not fit.estimable.all() and len(said) == 2)
    close(link["estimate"][seen], record["link"][seen])
    close(link["std_error"][seen], record["link_se"][seen])
    close(response["estimate"][seen], record["response"][seen])
    close(response["std_error"][seen], record["response_se"][seen])


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_linear_diagnostics(case):
    fit, record = fitted(case), case["diagnostics"]
    table = fit.augment().iloc[fit.design.rows].iloc[record["rows"].astype(int)]
    keep = np.isfinite(record["studentised_internal"])
    tight = 1e-7 if case.name == "mtcars_empty_cell" else RTOL
    close(table["fitted"], record["fitted"])
    scale = np.abs(record["residuals"]).max()
    np.testing.assert_allclose(table["residual"], record["residuals"], atol=1e-9 * scale)
    positive = np.isfinite(record["leverage"])
    close(table["leverage"][positive], record["leverage"][positive], 1e-7)
    close(table["std_residual"][keep], record["studentised_internal"][keep], tight)
    close(table["cooks_distance"][keep], record["cooks_distance"][keep], tight)


@pytest.mark.parametrize("case", [c for c in GENERALIZED if "zero_weights" not in c.name], ids=str)
def test_generalised_residuals(case):
    fit, record = fitted(case), case["diagnostics"]
    rows = record["rows"].astype(int)
    for kind in ("deviance", "pearson", "working", "response"):
        theirs = record[f"residuals_{kind}"]
        np.testing.assert_allclose(
            fit.scaled_residuals(kind)[rows], theirs, rtol=1e-7, atol=1e-8 * np.abs(theirs).max()
        )


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_wald_tests(case):
    for record in case.get("wald_tests"):
        if record["vcov"] == "cluster":  # the reference degrees of freedom differ: see statinf.lm
            continue
        fit = fitted(case, vcov={"const": "iid"}.get(record["vcov"], record["vcov"]))
        left = np.zeros((int(record["df"]), len(fit.terms)))
        left[:, fit.estimable] = record["L"]
        test = fit.test(left, record["rhs"])
        if record["hypothesis"]:
            matrix, values = linear_restrictions(", ".join(record["hypothesis"]), fit.terms)
            np.testing.assert_allclose(values, record["rhs"])
            np.testing.assert_allclose(matrix, left)
        if np.isfinite(test.df_denominator):
            close(test.statistic, record["F"], 1e-7)
            close(test.p_value, record["p_F"], 1e-6)
        else:
            close(test.statistic, record["chisq"], 1e-7)
            close(test.p_value, record["p_chisq"], 1e-6)


@pytest.mark.parametrize("case", [*LINEAR, *GENERALIZED], ids=str)
def test_delta_method(case):
    for record in case.get("delta_method"):
        if "/" not in record["expression"] or "(" in record["expression"] or record["vcov"] == "cluster":
            continue
        top, bottom = record["expression"].split("/")
        fit = fitted(case, vcov={"const": "iid"}.get(record["vcov"], record["vcov"]))
        if top not in fit.terms or bottom not in fit.terms:
            continue
        ratio = fit.transform(lambda b, top=top, bottom=bottom: b[top] / b[bottom])
        close(ratio.theta[0], record["estimate"])
        close(ratio.std_errors.iloc[0], record["std_error"])
