"""Multilevel regression and poststratification: against R lme4, dense matrices, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

import statinf as si
from shifts.samples import FOLDER

DATA = pd.read_csv(FOLDER / "mrp_data.csv")
TABLE = pd.read_csv(FOLDER / "mrp.csv")
FORMULA = "y ~ x | region + age"


def _lme4(case: str, quantity: str) -> np.ndarray:
    return TABLE[(TABLE["case"] == case) & (TABLE["quantity"] == quantity)]["value"].to_numpy()


def _cells() -> pd.DataFrame:
    frame = pd.MultiIndex.from_product([sorted(DATA["region"].unique()), ["middle", "old", "young"], [30.0, 50.0]])
    found = frame.to_frame(index=False, name=["region", "age", "x"])
    return found.assign(count=np.random.default_rng(3).integers(20, 90, len(found)))


CELLS = _cells()


def _fit(formula: str = FORMULA, target=CELLS, data=DATA, **options):
    given = {"target_weights": "count", "census": True} if target is CELLS else {}
    given["prior"] = "none"  # as lme4
    return si.target_mean(formula, data, target, method="mrp", **(given | options))


def test_gaussian_model_is_that_of_lme4():
    # lme4 stops when its trust region is 1e-12 wide or the criterion stalls: some six digits of the variances.
    fit = _fit()
    found = fit.effects().set_index(["term", "level"])
    assert_allclose(found.loc[["Intercept", "x"], "estimate"], _lme4("gaussian", "fixed"), rtol=1e-6)
    assert_allclose(
        [fit.variances[k] for k in ("region", "age", "residual")], _lme4("gaussian", "variances"), rtol=2e-5
    )
    for term in ("region", "age"):
        assert_allclose(found.loc[term, "estimate"], _lme4("gaussian", term), rtol=2e-5, atol=1e-6)
    # lme4's errors take the components as known; ours count that they are estimated, which the slope hardly feels.
    more = found.loc[["Intercept", "x"], "std_error"].to_numpy() ** 2 / _lme4("gaussian", "fixed_vcov")[[0, 3]]
    assert 1.0 < more[0] < 1.1 and 1.0 < more[1] < 1.005


def test_logistic_model_is_that_of_lme4():
    fit = _fit("vote ~ I(x - 40) | region + age", family="binomial")
    found = fit.effects().set_index(["term", "level"])
    # lme4 measures the mode's convergence by the change of the penalised deviance: about four digits.
    assert_allclose(found.loc[["Intercept", "I(x - 40)"], "estimate"], _lme4("binomial", "fixed"), rtol=1e-3)
    assert_allclose([fit.variances[k] for k in ("region", "age")], _lme4("binomial", "variances"), rtol=1e-3)
    for term in ("region", "age"):
        assert_allclose(found.loc[term, "estimate"], _lme4("binomial", term), atol=1e-3)


def test_means_are_those_of_cells_and_their_errors_the_delta_methods():
    fit = _fit(by="region")
    found = fit.effects().set_index(["term", "level"])["estimate"]
    value = found["Intercept", ""] + found["x", ""] * CELLS["x"]
    value += found["region"].loc[CELLS["region"]].to_numpy() + found["age"].loc[CELLS["age"]].to_numpy()
    expected = [np.average(value, weights=CELLS["count"])]
    expected += [np.average(v, weights=CELLS["count"][v.index]) for _, v in value.groupby(CELLS["region"])]
    assert_allclose(fit.params, expected, rtol=1e-10)
    assert list(fit.params.index)[:3] == ["mean", "region[r01]", "region[r02]"]
    # The dense errors of the best linear unbiased predictor, components known, lie below ours, which count them.
    z = pd.get_dummies(DATA[["region", "age"]]).to_numpy(float)
    x = np.column_stack([np.ones(len(DATA)), DATA["x"] - 40])
    t = np.column_stack([x, z])
    d = np.repeat([fit.variances["region"], fit.variances["age"]], [z.shape[1] - 3, 3])
    c = np.linalg.inv(t.T @ t / fit.variances["residual"] + np.diag(np.r_[0.0, 0.0, 1 / d]))
    s = np.column_stack(
        [np.ones(len(CELLS)), CELLS["x"] - 40, pd.get_dummies(CELLS[["region", "age"]]).to_numpy(float)]
    )
    pull = CELLS["count"].to_numpy() / CELLS["count"].sum() @ s
    known = np.sqrt(pull @ c @ pull)
    assert known < fit.std_errors["mean"] < 1.1 * known


def test_errors_count_the_estimated_components_by_prasad_and_rao():
    fit = _fit("y ~ 1 | region", CELLS.drop(columns=["x", "age"]), target_weights="count", census=True, by="region")
    y, code = DATA["y"].to_numpy(), pd.factorize(DATA["region"], sort=True)[0]
    size, sums = np.bincount(code), np.bincount(code, y)

    def predicted(ratio: float) -> tuple[np.ndarray, float]:
        share = size * ratio / (1 + size * ratio)
        mu = np.average(sums / size, weights=size / (1 + size * ratio))
        within = ((y - (sums / size)[code]) ** 2).sum()
        rest = within + (size / (1 + size * ratio) * (sums / size - mu) ** 2).sum()
        value = np.log1p(size * ratio).sum() + np.log((size / (1 + size * ratio)).sum()) + (len(y) - 1) * np.log(rest)
        return mu + share * (sums / size - mu), value

    ratio, s2 = fit.variances["region"] / fit.variances["residual"], fit.variances["residual"]
    assert_allclose(fit.params.iloc[1:], predicted(ratio)[0], rtol=1e-9)
    h = 1e-3 * ratio
    moved = (predicted(ratio + h)[0] - predicted(ratio - h)[0]) / (2 * h)
    curve = (predicted(ratio + h)[1] - 2 * predicted(ratio)[1] + predicted(ratio - h)[1]) / h**2
    share = size * ratio / (1 + size * ratio)
    known = s2 * share / size + s2 * (1 - share) ** 2 / (size / (1 + size * ratio)).sum()
    assert_allclose(np.diag(fit.vcov)[1:], known + 2 * moved**2 * 2 / curve, rtol=1e-5)


def test_means_of_chances_are_over_the_law_of_the_predictor():
    fit = _fit(
        "vote ~ 1 | region", CELLS.drop(columns=["x", "age"]), family="binomial", by="region", target_weights="count"
    )
    found = fit.effects().set_index("term")
    eta = found.loc["region", "estimate"].to_numpy() + found.loc["Intercept", "estimate"]
    plain = pd.Series(expit(eta), fit.params.index[1:])
    # Drawn to one half, by less than half the largest curvature of the logistic function times the variance.
    gap = np.abs(fit.params.iloc[1:] - plain)
    assert (gap < 0.5 * 0.0963 * 0.6).all() and gap.max() > 1e-4
    assert (np.abs(fit.params.iloc[1:] - 0.5) <= np.abs(plain - 0.5) + 1e-12).all()


def test_levels_that_the_source_lacks_are_those_of_the_population_of_levels():
    new = CELLS.assign(region=np.where(CELLS["region"] == "r01", "r99", CELLS["region"]))
    fit = _fit(target=new, target_weights="count", census=True, by="region")
    plain = _fit(by="region")
    assert_allclose(fit.params["region[r02]"], plain.params["region[r02]"], rtol=1e-12)
    assert fit.std_errors["region[r99]"] > np.sqrt(fit.variances["region"]) > plain.std_errors["region[r01]"]
    table = fit.tidy().set_index("term")
    wide = (table["conf_high"] - table["conf_low"]) / table["std_error"]
    assert wide["region[r99]"] > 2 * 2.1  # few levels tell how much levels differ


def test_crossed_terms_known_cells_and_other_frames():
    formula = "y ~ 1 | region + age + region:age"
    counts = CELLS.groupby(["region", "age"])["count"].sum()
    fit = _fit(formula, CELLS.drop(columns="x"), target_weights="count", census=True, prior="weak")
    assert set(fit.variances) == {"region", "age", "region:age", "residual"}
    nested = {r: counts[r].to_dict() for r in counts.index.levels[0]}
    for cells in ({"region:age": counts.to_dict()}, {"region:age": nested}):
        again = si.target_mean(formula, DATA, method="mrp", totals=cells, prior="weak")
        assert_allclose(again.vcov, fit.vcov, rtol=1e-10)
    polars = _fit(
        formula, pl.from_pandas(CELLS), pl.from_pandas(DATA), target_weights="count", census=True, prior="weak"
    )
    assert_allclose(polars.vcov, fit.vcov, rtol=1e-10)


def test_rows_weights_shifts_and_samples():
    fit = _fit(by="age")
    rng = np.random.default_rng(0)
    shuffled = _fit(data=DATA.sample(frac=1, random_state=1), target=CELLS.sample(frac=1, random_state=2), by="age",
                    target_weights="count", census=True)  # fmt: skip
    assert_allclose(shuffled.vcov, fit.vcov, rtol=1e-8)
    far = _fit(data=DATA.assign(x=DATA["x"] + 1e7), target=CELLS.assign(x=CELLS["x"] + 1e7), by="age",
               target_weights="count", census=True)  # fmt: skip
    assert_allclose(far.params, fit.params, rtol=1e-7)
    w = rng.integers(0, 3, len(DATA))
    weighted = _fit(weights=w.astype(float), by="age")
    repeated = _fit(data=DATA.loc[DATA.index.repeat(w)], by="age")
    assert weighted.nobs == (w > 0).sum()
    assert_allclose(weighted.params, repeated.params, rtol=1e-7)
    assert_allclose(weighted.vcov, repeated.vcov, rtol=1e-5)
    people = CELLS.loc[CELLS.index.repeat(CELLS["count"] // 10)].drop(columns="count")
    sampled, census = _fit(target=people), _fit(target=people, census=True)
    assert_allclose(sampled.params, census.params, rtol=1e-12)
    assert sampled.std_errors["mean"] > census.std_errors["mean"]
    lacking = people.assign(region=people["region"].where(np.arange(len(people)) > 5))
    assert _fit(target=lacking).target_rows == len(people) - 6


def test_saved_and_printed(tmp_path):
    fit = _fit(by="age")
    fit.save(tmp_path / "fit.statinf")
    again = si.load(tmp_path / "fit.statinf")
    assert_allclose(again.vcov, fit.vcov)
    pd.testing.assert_frame_equal(again.effects(), fit.effects())
    assert "Std. dev. of region" in str(fit.summary())


@pytest.mark.parametrize(
    ("formula", "options", "error", "match"),
    [
        ("y ~ x", {}, si.FormulaError, "behind a bar"),
        ("y ~ 1 | x", {}, si.FormulaError, r"write C\(x\)"),
        (FORMULA, {"by": "nowhere"}, si.DataError, "nowhere"),
        (FORMULA, {"by": 3}, si.OptionError, "one column"),
        (FORMULA, {"prior": "normal"}, si.OptionError, "weak"),
        (FORMULA, {"family": "poisson"}, si.OptionError, "'gaussian' and 'binomial'"),
        (FORMULA, {"cluster": "region"}, si.OptionError, "cluster"),
        (FORMULA, {"ratio": "moment"}, si.OptionError, "no density ratio"),
        ("y ~ offset(x) | region", {}, si.NotIdentifiedError, "offset"),
        ("y ~ 1 | C(x)", {}, si.DataError, "as many levels|levels"),
        (FORMULA, {"family": "binomial"}, si.DataError, "between 0 and 1"),
    ],
)
def test_refuses(formula, options, error, match):
    with pytest.raises(error, match=match):
        _fit(formula, data=DATA.assign(x=np.arange(len(DATA)) + 0.5) if "C(x)" in formula else DATA, **options)


def test_refuses_margins_and_weights_and_warns_of_zeros():
    with pytest.raises(si.DataError, match="together"):
        si.target_mean("y ~ 1 | region + age", DATA, {"region": {"r01": 1.0}, "age": {"old": 1.0}}, method="mrp")
    w = si.density_ratio("~ x", DATA, {"x": 41})
    with pytest.raises(si.OptionError, match="Weights"):
        _fit(weights=w)
    noise = DATA.assign(g=np.arange(len(DATA)) % 50, y=np.random.default_rng(1).normal(size=len(DATA)))
    noise["y"] -= noise.groupby("g")["y"].transform("mean")
    with pytest.warns(si.StatinfWarning, match="variance of zero"):
        _fit("y ~ 1 | C(g)", noise, noise)


def test_shares_of_cells_sum_to_one():
    counts = CELLS.groupby("region")["count"].sum()
    shares = (counts / counts.sum()).to_dict()
    fit = si.target_mean("y ~ 1 | region", DATA, {"region": shares}, method="mrp")
    twice = si.target_mean("y ~ 1 | region", DATA, method="mrp", totals={"region": counts.to_dict()})
    assert_allclose(fit.params, twice.params)
    with pytest.raises(si.InfeasibleError, match="shares of 'region' sum to 1.2"):
        si.target_mean("y ~ 1 | region", DATA, {"region": {k: 1.2 * v for k, v in shares.items()}}, method="mrp")


def test_refusals_name_the_target_and_what_is_there():
    with pytest.raises(si.DataError, match="target frame: column 'region'"):
        _fit(target=CELLS.drop(columns="region"), target_weights="count")
    with pytest.raises(si.DataError, match="by='nothing': target frame"):
        _fit(by="nothing")
    fit = _fit()
    with pytest.raises(si.NotIdentifiedError, match="no influence") as refused:
        fit.influence  # noqa: B018
    offers = str(refused.value).split("it offers")[1]
    assert "effects" in offers and "influence" not in offers and "predict" not in offers
