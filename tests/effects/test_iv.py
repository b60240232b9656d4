import numpy as np
import pytest

import statinf as si
from effects.oracle import CARD, K401, card, expected, mroz, value

EXACT = {"rel": 2e-9}
DIGITS = {"card": 1e-8, "401ksubs": 1e-8, "mroz": 3e-6}
MODELS = {
    "card:1": (card, f"lwage ~ educ | {CARD} | nearc4", "card", "nearc4", "educ"),
    "card:2": (card, f"lwage ~ educ | {CARD} | nearc4 + nearc2", "card", "nearc4+nearc2", "educ"),
    "401k": (lambda: si.datasets.load("k401ksubs"), f"nettfa ~ p401k | {K401} | e401k", "401ksubs", "e401k", "p401k"),
    "mroz": (mroz, "lw ~ educ | exper + expersq | fatheduc + motheduc", "mroz", "fatheduc+motheduc", "educ"),
}


@pytest.fixture(scope="module")
def data():
    return card()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["2sls", "liml"])
def test_k_class_meets_linearmodels(model, method):
    make, formula, dataset, instruments, term = MODELS[model]
    fit = si.iv(formula, make(), method=method)
    names = {"iid": "unadjusted:debiased=True", "HC0": "robust:debiased=False", "HC1": "robust:debiased=True"}
    for kind, label in names.items():
        estimate, error = expected(dataset, f"{method}:{instruments}:{label}")
        assert fit.params[term] == pytest.approx(estimate, rel=DIGITS[dataset])
        assert fit.with_vcov(kind).std_errors[term] == pytest.approx(error, rel=DIGITS[dataset])
    if method == "liml":
        assert fit.kappa == pytest.approx(value(dataset, f"liml_kappa:{instruments}"), abs=1e-8)


@pytest.mark.filterwarnings("ignore:2 clusters", "ignore:the cluster column")
def test_small_sample_and_clustered_errors_meet_estimatr(data):
    fit = si.iv(f"lwage ~ educ | {CARD} | nearc4", data)
    kinds = {"HC2": "HC2", "HC3": "HC3", "cluster(south66):stata": {"cluster": "south66"}}
    kinds["cluster(south66):CR2"] = {"cluster": "south66", "type": "HC2"}
    for label, kind in kinds.items():
        assert fit.with_vcov(kind).std_errors["educ"] == pytest.approx(
            expected("card", f"R_iv_robust:nearc4:{label}")[1], rel=1e-8
        )


def test_fuller(data):
    for z in ("nearc4", "nearc4+nearc2"):
        fit = si.iv(f"lwage ~ educ | {CARD} | {z}", data, method="liml", fuller=1.0)
        assert fit.params["educ"] == pytest.approx(value("card", f"fuller1:{z}"), **EXACT)


@pytest.mark.parametrize("model", ["card:2", "mroz"])
def test_gmm_meets_linearmodels(model):
    make, formula, dataset, instruments, term = MODELS[model]
    for steps, label in {"two-step": "gmm2step", "iterated": "gmm_iterated"}.items():
        fit = si.iv(formula, make(), method="gmm", gmm=steps, vcov="HC0")
        estimate, error = expected(dataset, f"{label}:{instruments}")
        assert fit.params[term] == pytest.approx(estimate, rel=DIGITS[dataset])
        assert fit.std_errors[term] == pytest.approx(error, rel=DIGITS[dataset])
        if steps == "two-step":
            assert fit.j == pytest.approx(value(dataset, f"gmm_J:{instruments}"), rel=DIGITS[dataset])


def test_continuous_updating_reaches_a_lower_criterion_than_linearmodels(data):
    # linearmodels 7.1 stops its optimiser at 0.1622984707, J = 1.26073345.
    fit = si.iv(MODELS["card:2"][1], data, method="gmm", gmm="cue", vcov="HC0")
    assert fit.j < 1.2607334518
    assert fit.params["educ"] == pytest.approx(value("card", "gmm_cue:nearc4+nearc2"), rel=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_first_stage(model):
    make, formula, dataset, z, _ = MODELS[model]
    fit = si.iv(formula, make())
    for kind in ("HC0", "HC1"):
        row = fit.first_stage(kind).iloc[0]
        assert row["f"] == pytest.approx(value(dataset, f"first_stage_F_classical:{z}"), rel=DIGITS[dataset])
        # A robust F is the Wald statistic over the number of instruments; linearmodels leaves the division out.
        assert row["robust_f"] == pytest.approx(value(dataset, f"first_stage_F_{kind}:{z}"), rel=DIGITS[dataset])
        assert row["effective_f"] == pytest.approx(value(dataset, f"effective_F_{kind}:{z}"), rel=DIGITS[dataset])
        assert row["partial_r2"] == pytest.approx(value(dataset, f"partial_R2:{z}"), rel=DIGITS[dataset])
        assert row["shea_r2"] == pytest.approx(value(dataset, f"shea_R2:{z}"), rel=DIGITS[dataset])


@pytest.mark.parametrize("model", MODELS)
def test_anderson_rubin(model):
    make, formula, dataset, z, _ = MODELS[model]
    fit = si.iv(formula, make())
    for kind, label in {"iid": "classical", "HC1": "HC1"}.items():
        found = fit.anderson_rubin(0.0, vcov=kind)
        assert found.statistic == pytest.approx(value(dataset, f"AR_F(beta=0):{z}:{label}"), rel=DIGITS[dataset])
        # The limits of the set are the values whose p-value is the level's complement.
        for limit in found.pieces[0]:
            assert fit.anderson_rubin(limit, vcov=kind).p_value == pytest.approx(0.05, abs=1e-8)
    low, high = fit.anderson_rubin(vcov="iid").pieces[0]
    assert low == pytest.approx(value(dataset, f"AR_CI_lower:{z}"), rel=DIGITS[dataset])
    assert high == pytest.approx(value(dataset, f"AR_CI_upper:{z}"), rel=DIGITS[dataset])


@pytest.mark.parametrize("model", ["card:2", "mroz"])
def test_specification_tests(model):
    make, formula, dataset, z, _ = MODELS[model]
    fit = si.iv(formula, make())
    assert fit.overid("sargan").statistic == pytest.approx(value(dataset, f"sargan:{z}"), rel=DIGITS[dataset])
    assert fit.overid("basmann").statistic == pytest.approx(value(dataset, f"basmann:{z}"), rel=DIGITS[dataset])
    assert fit.overid().statistic == pytest.approx(value(dataset, f"gmm_J:{z}"), rel=DIGITS[dataset])
    assert fit.wu_hausman().statistic == pytest.approx(value(dataset, f"wu_hausman:{z}"), rel=DIGITS[dataset])


@pytest.mark.parametrize("strength, shape", [(1.0, "interval"), (0.0, None)])
def test_every_shape_of_an_anderson_rubin_set_is_where_its_test_accepts(strength, shape):
    shapes = set()
    for seed in range(8):
        data = si.datasets.simulate("iv", 150, seed, strength=strength, instruments=3)
        fit = si.iv("y ~ treat | x1 | z1 + z2 + z3", data)
        for kind in ("iid", "HC1"):
            found = fit.anderson_rubin(vcov=kind)
            shapes.add(found.shape)
            for t in np.concatenate([np.linspace(-30, 30, 25), [-1e4, 1e4]]):
                assert (t in found) == (fit.anderson_rubin(t, vcov=kind).p_value >= 0.05)
    assert shapes <= {"interval", "empty"} if shape else {"line", "complement"} <= shapes


def test_anderson_rubin_covers_with_weak_instruments_where_the_wald_interval_does_not():
    draws, ar, wald = 200, 0, 0
    for seed in range(draws):
        data = si.datasets.simulate("iv", 200, seed, strength=0.08, endogeneity=0.95, instruments=3)
        fit = si.iv("y ~ treat | x1 | z1 + z2 + z3", data)
        ar += fit.anderson_rubin(1.0, vcov="iid").p_value >= 0.05
        low, high = fit.conf_int().loc["treat"]
        wald += low <= 1.0 <= high
    band = 3.0 * np.sqrt(0.95 * 0.05 / draws)
    assert abs(ar / draws - 0.95) < band
    assert wald / draws < 0.95 - band


@pytest.mark.parametrize("method", ["2sls", "liml", "gmm"])
def test_intervals_cover_with_strong_instruments(method):
    draws, hits = 200, 0
    for seed in range(draws):
        data = si.datasets.simulate("iv", 400, seed, strength=1.0, instruments=2)
        low, high = si.iv("y ~ treat | x1 | z1 + z2", data, method=method).conf_int().loc["treat"]
        hits += low <= 1.0 <= high
    assert abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws)


def test_row_weights_are_repeated_rows(data):
    some = data.head(300)
    w = np.arange(300) % 3
    formula = "lwage ~ educ | exper + black | nearc4 + nearc2"
    weighted = si.iv(formula, some, weights=w.astype(float), vcov="iid")
    repeated = si.iv(formula, some.loc[some.index.repeat(w)], vcov="iid")
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-9)
    pieces = weighted.anderson_rubin(vcov="iid").statistic / repeated.anderson_rubin(vcov="iid").statistic
    # Weights are precisions: only the degrees of freedom differ.
    assert pieces == pytest.approx(weighted.system.df_first / repeated.system.df_first, rel=1e-9)


def test_two_endogenous_columns_and_least_squares_as_a_special_case(data):
    both = si.iv("lwage ~ educ + exper | black | nearc4 + age + nearc2", data)
    assert both.first_stage()["effective_f"].isna().all()
    assert both.anderson_rubin([0.1, 0.05]).pieces is None
    same = si.iv("lwage ~ educ | black + south | educ2", data.assign(educ2=2.0 * data["educ"] + 1.0), vcov="iid")
    plain = si.lm("lwage ~ educ + black + south", data, vcov="iid")
    assert same.params["educ"] == pytest.approx(plain.params["educ"], rel=1e-9)
    assert same.std_errors["educ"] == pytest.approx(plain.std_errors["educ"], rel=1e-9)


@pytest.mark.filterwarnings("ignore:2 clusters", "ignore:the cluster column")
@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames_missing_rows_and_saving(data, kind, tmp_path):
    some = data.assign(exper=data["exper"].where(data.index % 7 > 0), region=np.where(data["south"] > 0, "s", "n"))
    formula = "lwage ~ educ | exper + C(region) | nearc4"
    base = si.iv(formula, some, cluster="region")
    columns = ["lwage", "educ", "exper", "region", "nearc4"]
    if kind == "polars":
        other = __import__("polars").from_pandas(some[columns])
    else:
        other = __import__("pyarrow").Table.from_pandas(some[columns])
    fit = si.iv(formula, other, cluster="region")
    np.testing.assert_allclose(fit.theta, base.theta, rtol=1e-12)
    assert base.nobs == 2580 and sum(base.dropped.values()) == 430
    assert type(fit.first_stage()).__module__.split(".")[0] == kind
    saved = si.load(base.save(tmp_path / "fit"))
    assert str(saved.summary()) == str(base.summary())
    rows = some.dropna()
    np.testing.assert_allclose(saved.predict(rows)["estimate"], base.predict(rows)["estimate"])


def test_faults_are_named(data):
    with pytest.raises(si.NotIdentifiedError, match=r"1 instrument .* for 2 endogenous"):
        si.iv("lwage ~ educ + exper | black | nearc4", data)
    with pytest.warns(match="determine them: 'z2'"):
        si.iv("lwage ~ educ | black | nearc4 + z2", data.assign(z2=3.0 * data["nearc4"] - data["black"]))
    with pytest.warns(match="determine them"), pytest.raises(si.NotIdentifiedError, match="0 instruments"):
        si.iv("lwage ~ educ | black | z2", data.assign(z2=data["black"]))
    flat = data.assign(educ=data["black"] + 1.0)
    with pytest.raises(si.NotIdentifiedError, match="'educ' is determined by the covariates"):
        si.iv("lwage ~ educ | black | nearc4", flat)
    with pytest.raises(si.FormulaError, match="three parts"):
        si.iv("lwage ~ educ | nearc4", data)
    with pytest.raises(si.NotIdentifiedError, match="nothing is left to test"):
        si.iv("lwage ~ educ | black | nearc4", data).overid()
    with pytest.raises(si.OptionError, match="method"):
        si.iv("lwage ~ educ | black | nearc4", data, method="3sls")
    with pytest.raises(si.FormulaError, match="educ"):
        si.iv("lwage ~ educ | black | educ", data)
    with pytest.raises(si.NotIdentifiedError, match="leverages"):
        si.iv("lwage ~ educ | black | nearc4 + nearc2", data, method="liml", vcov="HC2")
