"""Known margins in place of a target sample: against R survey, with stacked errors, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import FOLDER, two
from statinf.formula.design import design
from statinf.numerics.tilting.distances import Distance
from statinf.results import Weights
from statinf.shifts.margins import known_means, read_margins

DATA = pd.read_csv(FOLDER / "calibration_data.csv")
TABLE = pd.read_csv(FOLDER / "calibration.csv")
MARGINS = {"stype": {"E": 0.55, "H": 0.25, "M": 0.2}, "x": 52, "urban": 0.45}
FORMULA = "~ stype + x + urban"
CASES = {
    "linear": {"distance": "linear"},
    "raking": {},
    "logit": {"distance": "logit", "bounds": (0.4, 2.5)},
    "linear_bounded": {"distance": "linear", "bounds": (0.5, 1.8)},
    "raking_bounded": {"bounds": (0.5, 1.8)},
}


def _survey(case: str, quantity: str) -> np.ndarray:
    return TABLE[(TABLE["case"] == case) & (TABLE["quantity"] == quantity)]["value"].to_numpy()


def _weights(case: str = "raking") -> Weights:
    return si.density_ratio(FORMULA, DATA, MARGINS, weights="w", **CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_weights_and_coefficients_are_those_of_survey(case):
    w = _weights(case)
    # survey stops at a relative misfit of 1e-13 and prints 15 digits; its logit regression at a deviance of 1e-8.
    assert_allclose(w.values, _survey(case, "weights"), rtol=1e-11)
    assert_allclose(si.lm("y ~ x + stype", DATA, weights=w).params, _survey(case, "srs_lm"), rtol=1e-10)
    fit = si.glm("late ~ x", DATA, family="binomial", weights=w)
    assert_allclose(fit.params, _survey(case, "srs_logit"), rtol=1e-8)
    assert_allclose(si.target_mean("y ~ 1", DATA, MARGINS, ratio=w, method="ipw").params, _survey(case, "srs_mean"))


def test_linear_errors_are_those_of_survey_to_the_digit():
    # survey multiplies by n / (n - 1), or by G / (G - 1) with G clusters, as clustered errors here do; its residuals come
    # from the starting weights, those of the stacked system from the slopes F', which are one for the linear distance.
    w, n = _weights("linear"), len(DATA)
    fit = si.lm("y ~ x + stype", DATA, weights=w, vcov="HC0")
    assert_allclose(fit.std_errors * np.sqrt(n / (n - 1)), _survey("linear", "srs_lm_se"), rtol=1e-10)
    mean = si.target_mean("y ~ 1", DATA, MARGINS, ratio_formula=FORMULA, method="ipw", weights="w", ratio=None)
    assert mean.std_errors["mean"] > 0
    for cluster, name, factor in ((None, "srs", np.sqrt(n / (n - 1))), ("id", "clu", 1.0)):
        alone = si.target_mean("y ~ 1", DATA, MARGINS, ratio=w, method="ipw", cluster=cluster)
        assert_allclose(alone.std_errors["mean"] * factor, _survey("linear", f"{name}_mean_se")[0], rtol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_other_errors_are_close_to_those_of_survey(case):
    # The two ways to take residuals agree to first order in the ratios' distance from one.
    w, k = _weights(case), np.sqrt(len(DATA) / (len(DATA) - 1))
    for fit, quantity in (
        (si.lm("y ~ x + stype", DATA, weights=w, vcov="HC0"), "srs_lm_se"),
        (si.glm("late ~ x", DATA, family="binomial", weights=w, vcov="HC0"), "srs_logit_se"),
    ):
        assert fit.cov.label == "HC0, weights estimated"
        assert_allclose(fit.std_errors * k, _survey(case, quantity), rtol=0.02)


def test_crossed_margins_post_stratify():
    cells = {("E", 0): 0.3, ("H", 0): 0.12, ("M", 0): 0.1, ("E", 1): 0.25, ("H", 1): 0.13, ("M", 1): 0.1}
    text = {f"{a}:{b}": share for (a, b), share in cells.items()}
    nested = {a: {b: cells[a, b] for b in (0, 1)} for a in "EHM"}
    table = pd.DataFrame({"term": "stype:C(urban)", "level": list(text), "share": list(text.values())})
    for given in ({"stype:urban": cells}, {"stype:urban": text}, {"stype:urban": nested}, table, pl.from_pandas(table)):
        for formula in ("~ stype * C(urban)", "~ stype:C(urban)"):
            w = si.density_ratio(formula, DATA, given, weights="w")
            assert_allclose(w.values, _survey("poststratify", "weights"), rtol=1e-10)


def test_margins_of_two_factors_rake_as_proportional_fitting():
    totals = {"stype": {"E": 0.55e6, "H": 0.25e6, "M": 0.2e6}, "urban": 0.45e6}
    w = si.density_ratio("~ stype + urban", DATA, totals=totals, weights="w")
    expected = _survey("rake", "weights")
    # survey's rake stops when its cells move by less than 1e-12 of the table.
    assert_allclose(w.values / w.values.sum(), expected / expected.sum(), rtol=1e-8)
    assert_allclose(w.values.sum(), 1e6, rtol=1e-12)
    assert_allclose(w.values[DATA["stype"] == "H"].sum(), 0.25e6, rtol=1e-10)
    assert_allclose(w.ratio @ DATA["w"], DATA["w"].sum(), rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_distances_are_derivatives_of_their_conjugates(case):
    options = CASES[case]
    distance = Distance(options.get("distance", "raking"), *options.get("bounds", (-np.inf, np.inf)))
    u, step = np.linspace(-2.5, 2.5, 40), 1e-5
    _, g, slope = distance.all(u)
    # Central differences of step h err by h^2 and by rounding over h.
    assert_allclose((distance.all(u + step)[0] - distance.all(u - step)[0]) / (2 * step), g, atol=1e-8)
    assert_allclose((distance.all(u + step)[1] - distance.all(u - step)[1]) / (2 * step), slope, atol=1e-8)
    assert_allclose(distance.ratio(np.zeros(1)), 1.0, rtol=1e-12)


def test_means_of_a_sample_as_margins_give_its_weights_without_its_noise():
    source, target = two()
    means = {"x1": target["x1"].mean(), "x2": target["x2"].mean(), "x1:x2": (target["x1"] * target["x2"]).mean()}
    formula = "~ x1 + x2 + x1:x2"
    sample = si.density_ratio(formula, source, target, method="moment")
    known = si.density_ratio(formula, source, means)
    assert_allclose(known.values, sample.values, rtol=1e-9)
    assert known.other_influence is None
    assert_allclose(known.score(target), sample.score(target), rtol=1e-9)
    ours = si.lm("y ~ x1", source, weights=known)
    theirs = si.lm("y ~ x1", source, weights=sample)
    assert_allclose(ours.params, theirs.params, rtol=1e-8)
    assert (ours.std_errors < theirs.std_errors).all()


def test_target_mean_and_shift_take_margins():
    mean = si.target_mean("y ~ stype + x + urban", DATA, MARGINS, weights="w")
    model = si.lm("y ~ stype + x + urban", DATA, weights="w")
    at = pd.DataFrame({"stype": list("EHM"), "x": 52.0, "urban": 0.45})
    regression = model.predict(at)["estimate"] @ [0.55, 0.25, 0.2]
    gcomp = si.target_mean("y ~ stype + x + urban", DATA, MARGINS, method="gcomp", weights="w")
    assert_allclose(gcomp.params["mean"], regression, rtol=1e-12)
    # Calibrated residuals of the regression on the calibrated columns: nearly the generalised regression estimator.
    assert_allclose(mean.params["mean"], _survey("raking", "srs_mean")[0], rtol=1e-10)
    fit = si.shift("y ~ x", DATA, {"stype": MARGINS["stype"]}, method="mwle", ratio_formula="~ stype", weights="w")
    w = si.density_ratio("~ stype", DATA, {"stype": MARGINS["stype"]}, weights="w")
    expected = si.lm("y ~ x", DATA, weights=w)
    assert_allclose(fit.params, expected.params, rtol=1e-12)
    assert_allclose(fit.vcov, expected.vcov, rtol=1e-9)
    assert "known margins" in str(fit.summary()) and 0 <= fit.specification_test().p_value <= 1
    with pytest.raises(si.DataError, match="newdata"):
        fit.predict()
    with pytest.raises(si.NotIdentifiedError, match="only margins are known"):
        fit.risk()
    with pytest.raises(si.NotIdentifiedError, match="method='ipw'"):
        si.target_mean("late ~ x", DATA, {"x": 52}, family="binomial", method="gcomp")


def test_coverage_counts_the_source_only():
    # Margins known exactly: 95% intervals of the mean, 300 samples; two standard errors of the coverage are 2.5 points.
    rng, hits, runs = np.random.default_rng(5), 0, 300
    for _ in range(runs):
        x = rng.normal(size=120)
        frame = pd.DataFrame({"x": x, "y": 1.0 + 2.0 * x + rng.normal(size=120)})
        found = si.target_mean("y ~ 1", frame, {"x": 0.3}, method="ipw", ratio_formula="~ x").conf_int().loc["mean"]
        hits += found.iloc[0] < 1.6 < found.iloc[1]
    assert 0.915 < hits / runs < 0.985


def test_doubled_weights_row_order_and_zero_weights():
    w = _weights()
    turned = DATA.iloc[::-1]
    assert_allclose(si.density_ratio(FORMULA, turned, MARGINS, weights="w").values[::-1], w.values, rtol=1e-9)
    assert_allclose(si.density_ratio(FORMULA, DATA, MARGINS, weights=2 * DATA["w"]).ratio, w.ratio, rtol=1e-10)
    more = pd.concat([DATA, DATA.head(3)], ignore_index=True)
    padded = si.density_ratio(FORMULA, more, MARGINS, weights=np.r_[DATA["w"], np.zeros(3)])
    assert_allclose(padded.values[: len(DATA)], w.values, rtol=1e-9)
    far = DATA.assign(x=DATA["x"] + 1e8)
    assert_allclose(si.density_ratio(FORMULA, far, MARGINS | {"x": 52 + 1e8}, weights="w").values, w.values, rtol=1e-6)


def test_diagnostics_and_summary_need_no_rows():
    w = _weights()
    table = w.diagnostics()
    assert_allclose(table["mean_weighted"], table["mean_target"], rtol=1e-10)
    assert "known margins" in str(w.summary())
    with pytest.raises(si.NotIdentifiedError, match="overlap needs rows"):
        w.overlap()


@pytest.mark.parametrize(
    ("margins", "error", "match"),
    [
        ({"stype": {"E": 0.5, "H": 0.25, "M": 0.2}}, si.InfeasibleError, "shares of 'stype' sum to 0.95"),
        ({"stype": {"E": 0.75, "H": 0.25}}, si.DataError, "lacks the level 'M'"),
        ({"stype": {"E": 0.5, "H": 0.25, "M": 0.2, "Q": 0.05}}, si.InfeasibleError, "'Q', a level of 'stype'"),
        ({"stype": {"E": 1.2, "H": -0.2, "M": 0.0}}, si.InfeasibleError, "negative share"),
        ({"stype": {"E": 0.8, "H": 0.2, "M": 0.0}}, si.InfeasibleError, "'stype' gives no share to a level"),
        ({"stype": {"E": 0.0, "H": 0.6, "M": 0.4}}, si.InfeasibleError, "'stype' gives no share to a level"),
        ({"stype": 0.4}, si.DataError, "one share per level"),
        ({"x": 500}, si.InfeasibleError, "target means of 'x'"),
        ({"x": np.nan}, si.DataError, "not a finite number"),
        ({"x": "many"}, si.DataError, "not a finite number"),
        ({"x": {"E": 1.0}}, si.DataError, "give its mean"),
        ({"z": 3.0}, si.DataError, "margin 'z' is no term"),
        ({"urban": 0.4, "stype:urban": 0.1}, si.DataError, "is no term|share per level"),
    ],
)
def test_refuses_margins_that_nothing_meets(margins, error, match):
    given = {k: v for k, v in MARGINS.items() if k not in margins} | margins
    with pytest.raises(error, match=match):
        si.density_ratio(FORMULA, DATA, given, weights="w")


def test_refuses_what_contradicts_or_is_missing():
    crossed = {"E": {0: 0.3, 1: 0.3}, "H": {0: 0.1, 1: 0.1}, "M": {0: 0.1, 1: 0.1}}
    with pytest.raises(si.InfeasibleError, match="'stype:urban' sum to .* over 'stype'"):
        si.density_ratio("~ stype * C(urban)", DATA, {"stype": MARGINS["stype"], "stype:urban": crossed})
    with pytest.raises(si.DataError, match="say nothing of 'urban'"):
        si.density_ratio(FORMULA, DATA, {k: v for k, v in MARGINS.items() if k != "urban"})
    with pytest.raises(si.DataError, match="population's size"):
        si.density_ratio("~ x", DATA, totals={"x": 5e5})
    with pytest.raises(si.InfeasibleError, match="contradict one another: the population has 10000"):
        si.density_ratio("~ stype", DATA, totals={"Intercept": 1e4, "stype": {"E": 1, "H": 2, "M": 3}})
    with pytest.raises(si.InfeasibleError, match="within the bounds"):
        si.density_ratio(FORMULA, DATA, MARGINS | {"x": 58}, distance="linear", bounds=(0.8, 1.2))
    with pytest.raises(si.InfeasibleError, match="weights would be negative"):
        si.density_ratio("~ x", DATA, {"x": 68}, distance="linear")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "kmm"}, "needs rows of the target"),
        ({"totals": {"x": 1.0}}, "exclude each other"),
        ({"target_weights": "w"}, "known margins have none"),
        ({"distance": "logit"}, "two finite bounds"),
        ({"bounds": (1.2, 2)}, "low < 1 < high"),
        ({"bounds": "wide"}, "low < 1 < high"),
        ({"distance": "chi2"}, "distance='chi2'"),
    ],
)
def test_refuses_options(options, match):
    with pytest.raises(si.OptionError, match=match):
        si.density_ratio("~ x", DATA, {"x": 52}, **options)
    with pytest.raises(si.OptionError, match="no target"):
        si.density_ratio("~ x", DATA)


def test_saved_weights_still_weight(tmp_path):
    w = _weights("logit")
    w.save(tmp_path / "w.statinf")
    again = si.load(tmp_path / "w.statinf")
    assert_allclose(si.lm("y ~ x", DATA, weights=again).vcov, si.lm("y ~ x", DATA, weights=w).vcov, rtol=1e-12)
    assert_allclose(again.score(DATA.head()), w.score(DATA.head()), rtol=1e-12)


def test_truth_values_numbers_by_level_and_other_codings():
    data = DATA.assign(late=DATA["late"] == 1)
    given = {"late": 0.4, "stype:x": {"E": 29.0, "H": 13.0, "M": 10.0}, "stype": MARGINS["stype"]}
    made = design("~ late + C(stype, contr.sum) + stype:x", data, response="none")
    margins = read_margins(given)
    assert margins is not None
    known = known_means(made.recipe, margins)["covariates"][0]
    values = dict(zip(made.parts[0].names, known, strict=True))
    assert values["late"] == 0.4 and values["stype[H]:x"] == 13.0
    # Sum coding: the last level is minus one in each column.
    assert_allclose(list(values.values())[2:4], [0.35, 0.05], rtol=1e-12)


def test_rows_alike_are_one_cell_to_the_same_numbers():
    # Ones in place of levels are read as numbers, which have no cells.
    rng, n = np.random.default_rng(4), 1500
    g, h = rng.integers(0, 3, n), rng.integers(0, 2, n)
    frame = pd.DataFrame(
        {"g": np.array(list("abc"))[g], "h": h == 1, "w": rng.uniform(1, 3, n) * (rng.random(n) < 0.95)}
    )
    frame["w"] *= ~((g == 2) & (h == 1))  # a cell of rows of weight zero alone
    frame = frame.assign(b=(g == 1) + 0.0, c=(g == 2) + 0.0, t=h + 0.0, y=rng.normal(size=n) + g)
    shares, plain = {"g": {"a": 0.4, "b": 0.35, "c": 0.25}, "h": 0.45}, {"b": 0.35, "c": 0.25, "t": 0.45}
    for options in ({}, {"distance": "linear"}, {"distance": "logit", "bounds": (0.3, 3.0)}):
        cells = si.density_ratio("~ g + h", frame, shares, weights="w", **options)
        rows = si.density_ratio("~ b + c + t", frame, plain, weights="w", **options)
        assert cells.samples.distinct.of is not None and len(cells.samples.distinct.x) == 5
        assert rows.samples.distinct.of is None
        assert_allclose(cells.values, rows.values, rtol=1e-10)
        ours, theirs = (si.lm("y ~ g", frame, weights=w) for w in (cells, rows))
        assert_allclose(ours.vcov, theirs.vcov, rtol=1e-9)
        assert_allclose(cells.diagnostics()["mean_weighted"], [0.35, 0.25, 0.45], rtol=1e-10)
    with pytest.raises(si.InfeasibleError, match="lie outside|no share"):
        si.density_ratio("~ g + h", frame, shares | {"h": 0.0}, weights="w")
    crossed = {"g:h": {"a": {False: 0.2, True: 0.2}, "b": {False: 0.15, True: 0.15}, "c": {False: 0.2, True: 0.1}}}
    with pytest.raises(si.StatinfError):
        si.density_ratio("~ g * h", frame, crossed, weights="w")
