"""Nested models and terms against R's anova, car and lmtest."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from reference import FOLDER

R = json.loads((FOLDER / "anova.json").read_text())
DATA = pd.read_csv(FOLDER / "data" / "warpbreaks.csv").iloc[4:]
FORMULAS = ("breaks ~ wool", "breaks ~ wool + tension", "breaks ~ wool * tension")


def close(ours, theirs, rtol=1e-8):
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=rtol)


@pytest.fixture(scope="module")
def linear():
    return [si.lm(f, DATA, vcov="iid") for f in FORMULAS]


@pytest.fixture(scope="module", params=["poisson", "gamma"])
def generalized(request):
    fits = [si.glm(f, DATA, family=request.param, link="log") for f in FORMULAS]
    return R[request.param], fits


def column(table, name):
    return table.tidy()[name].to_numpy()[1:]


def test_linear_models(linear):
    theirs, f = R["linear"], si.anova(*linear)
    assert f.test == "F" and f.compared == "models"
    close(column(f, "statistic"), theirs["f"])
    close(column(f, "p_value"), theirs["f_p"])
    close(column(f, "sum_sq"), theirs["ss"])
    close(column(si.anova(*linear, test="Chisq"), "p_value"), theirs["chisq_p"])
    lr = si.anova(*linear, test="lr")
    close(column(lr, "statistic"), theirs["lr"])
    close(column(lr, "p_value"), theirs["lr_p"])
    wald = si.anova(*linear[1:], vcov="HC1")
    assert wald.test == "wald" and wald.p_value == pytest.approx(theirs["wald_p"][0], rel=1e-8)
    close(column(wald, "statistic"), theirs["wald"])
    # In any order, and whatever the columns are called: the larger model's columns span the smaller one's.
    close(column(si.anova(*linear[::-1]), "statistic"), theirs["f"][::-1])
    other = si.lm("breaks ~ wool:tension - 1", DATA, vcov="iid")
    close(column(si.anova(linear[1], other), "statistic"), si.anova(*linear[1:]).columns["statistic"][1:])
    close(column(si.anova(linear[1], other, test="wald"), "statistic"), si.anova(*linear[1:]).columns["statistic"][1:])
    rss = [m.rss for m in linear]
    close(column(si.anova(*linear[:2], test="rao"), "statistic"), [len(DATA) * (rss[0] - rss[1]) / rss[0]])


def test_linear_terms(linear):
    theirs = R["linear"]
    for kind, sums in ((1, "one"), (2, "two"), (3, "three")):
        table = si.anova(linear[2], type=kind).tidy()
        assert list(table["term"]) == ["wool", "tension", "wool:tension", "Residuals"]
        close(table["sum_sq"], theirs[sums])
        if f"{sums}_f" in theirs:
            close(table["statistic"][:3], theirs[f"{sums}_f"])
    for kind, name in ((2, "two_hc3"), (3, "three_hc3")):
        close(si.anova(linear[2], type=kind, vcov="HC3").tidy()["statistic"], theirs[name])


def test_generalized_models(generalized):
    theirs, fits = generalized
    for test in ("deviance", "rao"):
        table = si.anova(*fits, test=test)
        scale = 1.0 if fits[0].family == "poisson" else fits[2].dispersion
        change = column(table, "sum_sq") if test == "deviance" else column(table, "statistic") * scale
        close(change, theirs[test])
        close(column(table, "p_value"), theirs[f"{test}_p"], rtol=1e-7)
    if "f" in theirs:
        assert si.anova(*fits).test == "F"
        close(column(si.anova(*fits), "statistic"), theirs["f"])
    else:
        assert si.anova(*fits).test == "lr"
        close(column(si.anova(*fits), "statistic"), theirs["lr"])


def test_generalized_terms(generalized):
    theirs, fits = generalized
    for kind, name in ((2, "two"), (3, "three")):
        close(si.anova(fits[2], type=kind, test="deviance").tidy()["statistic"], theirs[name], rtol=1e-7)
        close(si.anova(fits[2], type=kind, test="wald").tidy()["statistic"], _wald(fits[2], theirs[f"{name}_wald"]))
    close(si.anova(fits[2], test="deviance").tidy()["deviance"], theirs["one"])
    scale = 1.0 if fits[0].family == "poisson" else fits[2].dispersion
    close(si.anova(fits[2], test="rao").tidy()["statistic"] * scale, theirs["one_rao"])
    if "two_f" in theirs:
        close(si.anova(fits[2], type=2, test="F").tidy()["statistic"], theirs["two_f"], rtol=1e-7)


def _wald(fit, chi2):
    """R prints chi-square; where the dispersion is estimated ours is F."""
    return np.array(chi2) / ([1, 2, 2] if not fit.normal_reference else 1)


def test_place_order_and_weights(linear):
    data = DATA.assign(x=np.arange(len(DATA)) % 7 / 3.0, w=np.arange(len(DATA)) % 3)
    moved = data.assign(x=data["x"] + 1e7)
    tables = []
    for frame in (data, moved, moved.sample(frac=1.0, random_state=1)):
        fits = [si.lm(f, frame, weights="w", vcov="HC1") for f in ("breaks ~ wool", "breaks ~ wool + x")]
        tables.append([si.anova(*fits).p_value, si.anova(fits[1], type=2).columns["statistic"][1]])
    repeated = data.loc[data.index.repeat(data["w"])]
    plain = [si.lm(f, repeated, vcov="iid") for f in ("breaks ~ wool", "breaks ~ wool + x")]
    close(tables[1], tables[0], rtol=1e-6)
    close(tables[2], tables[0], rtol=1e-6)
    weighted = [si.lm(f, data, weights="w", vcov="iid") for f in ("breaks ~ wool", "breaks ~ wool + x")]
    a, b = si.anova(*plain).columns, si.anova(*weighted).columns
    close(a["sum_sq"][1], b["sum_sq"][1])


def test_terms_beside_absorbed_effects():
    absorbed = si.lm("breaks ~ wool", DATA, absorb="tension", vcov="iid")
    dummies = si.anova(si.lm("breaks ~ wool + tension", DATA, vcov="iid"), type=2)
    close(si.anova(absorbed).tidy()[["sum_sq", "statistic"]].iloc[0], dummies.tidy()[["sum_sq", "statistic"]].iloc[0])
    counts = si.glm("breaks ~ wool", DATA, family="poisson", absorb="tension")
    assert si.anova(counts).test == "wald"
    with pytest.raises(si.OptionError, match="effects again"):
        si.anova(counts, test="lr")
    with pytest.raises(si.NotIdentifiedError, match="absorbed effects"):
        si.anova(absorbed, si.lm("breaks ~ wool + tension", DATA))


def test_aliased_terms_and_tables():
    data = DATA.assign(half=(DATA["wool"] == "A") * 0.5)
    with pytest.warns(si.StatinfWarning, match="dropped"):
        fit = si.lm("breaks ~ wool + half + tension", data, vcov="iid")
    table = si.anova(fit)
    assert np.isnan(table.columns["statistic"][1]) and "aliased" in table.summary().to_text()
    made = si.anova(si.lm("breaks ~ wool", pl.from_pandas(data)))
    assert isinstance(made.tidy(), pl.DataFrame)
    for text in (made.summary().to_html(), made.summary().to_latex(), made._repr_markdown_()):
        assert "wool" in text
    with pytest.raises(si.NotIdentifiedError, match="offers"):
        made.conf_int()


def test_what_is_not_nested_is_refused(linear):
    data = DATA.assign(x=np.arange(len(DATA)) % 7 / 3.0)
    x, wool = si.lm("breaks ~ x + tension", data), linear[0]
    with pytest.raises(si.OptionError, match="not nested.*'wool"):
        si.anova(wool, x)
    with pytest.raises(si.OptionError, match="as many coefficients"):
        si.anova(wool, si.lm("breaks ~ x", data))
    with pytest.raises(si.DataError, match="same rows"):
        si.anova(wool, si.lm("breaks ~ wool + x", data.assign(x=data["x"].where(data["x"] > 0))))
    with pytest.raises(si.DataError, match="other outcomes"):
        si.anova(wool, si.lm("I(breaks + 1) ~ wool + tension", data))
    with pytest.raises(si.DataError, match="other weights"):
        si.anova(wool, si.lm("breaks ~ wool + tension", data, weights=np.arange(1.0, 51.0)))
    with pytest.raises(si.OptionError, match="one kind"):
        si.anova(wool, si.glm("breaks ~ wool + tension", data, family="poisson"))
    for bad, message in (({"test": "score?"}, "test="), ({"type": 4}, "type="), ({"names": ["a"]}, "names=")):
        with pytest.raises(si.OptionError, match=message):
            si.anova(linear[2], **bad)
    with pytest.raises(si.OptionError, match="compares models"):
        si.anova(linear[2], test="lr")
    with pytest.raises(si.OptionError, match="estimated dispersion"):
        si.anova(si.glm("breaks ~ wool", data, family="poisson"), test="F")
    with pytest.raises(si.OptionError, match="has not; use test='F'"):
        si.anova(si.glm("breaks ~ wool", data, family="quasipoisson"), test="lr")
    counts = [si.glm(f, data, family="negative_binomial") for f in FORMULAS[:2]]
    assert si.anova(*counts).test == "lr"
    with pytest.raises(si.OptionError, match="overdispersion"):
        si.anova(*counts, test="rao")
    shrunken = si.glm("I(breaks > 25) ~ wool", data, family="binomial", penalty="firth")
    assert si.anova(shrunken).test == "wald"
    with pytest.raises(si.OptionError, match="penalty='firth'"):
        si.anova(shrunken, test="lr")
    with pytest.raises(si.OptionError, match="survey"):
        si.anova(si.lm("breaks ~ wool", data, weights=np.ones(50), weights_kind="probability"), test="F")
    with pytest.raises(si.OptionError, match="si.lm and si.glm"):
        si.anova(si.rq("breaks ~ x", data))
    with pytest.raises(si.OptionError, match="takes fits"):
        si.anova()
