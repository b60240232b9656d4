"""CR2 and its degrees of freedom, HC4 to HC5, several clusters, HAC and panels against R's packages (tests/reference/vcov)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si

FOLDER = Path(__file__).parents[1] / "reference" / "vcov"
TYPES = {
    "CR1": {"type": "HC0", "df": "satterthwaite"},
    "CR2": {"type": "CR2"},
    "CR3": {"type": "CR3", "df": "satterthwaite"},
}
pytestmark = pytest.mark.filterwarnings("ignore:the cluster column", "ignore:.*clusters for")


@cache
def numbers() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "numbers.csv").set_index(["case", "what"])


def known(case: str, what: str) -> pd.Series:
    found = numbers().loc[[(case, what)]]
    return found.set_index("row")["value"].astype(float)


@cache
def fits() -> dict[str, si.Fit]:
    panel = pd.read_csv(FOLDER / "panel.csv")
    return {
        "lm": si.lm("y ~ x + d + z", panel),
        "weighted": si.lm("y ~ x + d + z", panel, weights="w"),
        "glm": si.glm("b ~ x + d + z", panel, family="binomial", tol=1e-14),
        "poisson": si.glm("count ~ x + d + z", panel, family="poisson", tol=1e-14),
        "iv": si.iv("y ~ v | d + z | x", panel),
    }


@cache
def series() -> dict[str, si.Fit]:
    data = pd.read_csv(FOLDER / "series.csv")
    return {
        "lm": si.lm("y ~ x1 + x2", data),
        "weighted": si.lm("y ~ x1 + x2", data.assign(w=data["x2"] + 0.5), weights="w"),
        "poisson": si.glm("count ~ x1 + x2", data, family="poisson", tol=1e-14),
        "iv": si.iv("y ~ x1 | x2 | z1", data),
        "flat": si.lm("y ~ 0 + x1", data),
    }


def ours(fit: si.Fit, name: str) -> list[int]:
    """Positions of our coefficients in R's order: the constant, then the columns as written."""
    wanted = ["Intercept", "v", "x", "d", "z", "x1", "x2"]
    return sorted(range(len(fit.terms)), key=lambda i: wanted.index(fit.terms[i]))


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("name", ["lm", "weighted", "glm", "poisson", "iv"])
def test_corrected_clusters_meet_clubsandwich(name, type):
    fit = fits()[name].with_vcov({"cluster": "id", **TYPES[type]})
    case, order, digits = f"{name}:{type}", ours(fits()[name], name), 1e-8
    matrix = known(case, "V").to_numpy().reshape(len(order), -1)
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    np.testing.assert_allclose(fit.cov.matrix[np.ix_(order, order)] / scale, matrix / scale, atol=digits)
    np.testing.assert_allclose(fit.std_errors.to_numpy()[order], known(case, "se"), rtol=digits)
    np.testing.assert_allclose(fit.cov.each[order], known(case, "df"), rtol=digits)
    np.testing.assert_allclose(fit.pvalues.to_numpy()[order], known(case, "p"), rtol=100 * digits)
    x = "v" if name == "iv" else "x"
    for what, hypothesis in {"two": f"{x} = 0, z = 0", "three": f"{x} = 0, d = 0, z = 0"}.items():
        found, theirs = fit.test(hypothesis), known(case, what)
        assert found.statistic == pytest.approx(theirs["F"], rel=100 * digits)
        assert found.df_denominator == pytest.approx(theirs["df"], rel=digits)
        assert found.p_value == pytest.approx(theirs["p"], rel=100 * digits)
    if name != "iv":
        one, theirs = fit.transform(lambda b: {"gap": b["x"] - b["d"]}), known(case, "contrast")
        assert one.std_errors["gap"] == pytest.approx(theirs["se"], rel=digits)
        assert one.cov.df == pytest.approx(theirs["df"], rel=digits)
        assert one.conf_int(0.9).loc["gap"].tolist() == pytest.approx([theirs["low"], theirs["high"]], rel=100 * digits)
        assert fit.test("x = d").df_denominator == pytest.approx(theirs["df"], rel=digits)


@pytest.mark.parametrize("kind", ["HC4", "HC4m", "HC5"])
@pytest.mark.parametrize("name", ["lm", "weighted", "glm", "poisson"])
def test_corrections_by_leverage_meet_sandwich(name, kind):
    fit = fits()[name].with_vcov(kind)
    np.testing.assert_allclose(fit.std_errors, known(f"{name}:{kind}", "se"), rtol=1e-8)


@pytest.mark.parametrize("name", ["lm", "weighted"])
def test_several_clusters_meet_sandwich(name):
    for kind in ("HC0", "HC1"):
        fit = fits()[name].with_vcov({"cluster": ["id", "g"], "type": kind})
        np.testing.assert_allclose(fit.std_errors, known(f"{name}:two-way {kind}", "se"), rtol=1e-8)
    if name == "lm":
        fit = fits()[name].with_vcov({"cluster": ["id", "g", "time"]})
        np.testing.assert_allclose(fit.std_errors, known("lm:three-way HC1", "se"), rtol=1e-8)


def hac_cases() -> list[tuple[str, dict]]:
    out = []
    for pre in (0, 1):
        for adjust in (True, False):
            for lags in (4, "newey-west"):
                tag = f"hac {lags},prewhite={pre},adjust={str(adjust).upper()}"
                out.append((tag, {"hac": lags, "prewhite": pre, "adjust": adjust}))
        for kernel in ("bartlett", "parzen", "quadratic-spectral"):
            for lags in (4, "andrews", "newey-west"):
                if (kernel, lags) != ("bartlett", "newey-west"):
                    tag = f"hac {lags} {kernel},prewhite={pre}"
                    out.append((tag, {"hac": lags, "prewhite": pre, "kernel": kernel}))
    return out


@pytest.mark.parametrize("name", ["lm", "weighted", "poisson", "iv", "flat"])
def test_hac_meets_sandwich(name):
    fit, order = series()[name], ours(series()[name], name)
    for tag, kind in hac_cases():
        found = fit.with_vcov({**kind, "time": "t"}).std_errors.to_numpy()[order]
        np.testing.assert_allclose(found, known(f"{name}:{tag}", "se"), rtol=1e-8, err_msg=tag)
    if name == "lm":
        two = fit.with_vcov({"hac": 4, "time": "t", "prewhite": 2})
        np.testing.assert_allclose(two.std_errors, known("lm:hac 4, prewhite=2", "se"), rtol=1e-8)


@pytest.mark.parametrize("lags", [0, 2, 5])
def test_panels_meet_plm(lags):
    for adjust, label in ((False, "HC0"), (True, "sss")):
        fit = fits()["lm"].with_vcov({"driscoll-kraay": lags, "time": "time", "adjust": adjust})
        np.testing.assert_allclose(fit.std_errors, known(f"lm:driscoll-kraay {lags} {label}", "se"), rtol=1e-8)
    within = fits()["lm"].with_vcov({"hac": lags, "time": "time", "unit": "id", "adjust": False})
    np.testing.assert_allclose(within.std_errors, known(f"lm:panel hac {lags} HC0", "se"), rtol=1e-8)


def test_several_clusters_panels_and_series_meet_pyfixest():
    theirs = pd.read_csv(FOLDER / "peers.csv").set_index(["case", "term"])["se"]
    kinds = {
        "two-way min": {"cluster": ["id", "g"], "factor": "min"},
        "two-way conventional": {"cluster": ["id", "g"]},
        "hac 4": {"hac": 4, "time": "t"},
    }
    for lags in (2, 5):
        kinds[f"panel hac {lags}"] = {"hac": lags, "time": "time", "unit": "id"}
        kinds[f"driscoll-kraay {lags}"] = {"driscoll-kraay": lags, "time": "time"}
    for case, kind in kinds.items():
        fit = (series() if case == "hac 4" else fits())["lm"].with_vcov(kind)
        np.testing.assert_allclose(fit.std_errors, theirs[case], rtol=1e-10, err_msg=case)
