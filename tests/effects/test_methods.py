"""Options of the methods of effect and iv, and what their fits promise."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.table import EFFECT, IV

ABSENT = {"an": "object that no verb can read"}
"""Data that would end in another error if they were read before the options."""


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 200
    x, z, u = rng.standard_normal((3, n))
    dose = z + x + u + rng.standard_normal(n)
    d = (rng.random(n) < 1 / (1 + np.exp(-x))) * 1.0
    frame = pd.DataFrame({"y": d + dose + x + u, "d": d, "x": x, "z": z, "dose": dose, "g": np.arange(n) % 20})
    return frame.assign(arm=np.where(dose > 0, "drug", "placebo"), three=np.array(["a", "b", "c"])[np.arange(n) % 3])


@pytest.mark.parametrize("method", list(EFFECT))
def test_options_of_another_method_of_effect_are_refused_by_name(method):
    for name, value in {"clip": 0.3, "learner": "lasso", "propensity": 0.5, "score": "nonsense", "repeats": 4}.items():
        if name in EFFECT[method].options.names():
            continue
        with pytest.raises(si.OptionError, match=rf"{name}= is an option of method=.*, not of '{method}'"):
            si.effect("y ~ d | x", ABSENT, method=method, **{name: value})
    with pytest.raises(si.OptionError, match="estmand= is not an option.*Did you mean 'estimand'"):
        si.effect("y ~ d | x", ABSENT, method=method, estmand="ATT")


@pytest.mark.parametrize("method", list(IV))
def test_options_of_another_method_of_iv_are_refused_by_name(method):
    for name, value in {"fuller": 4.0, "gmm": "cue", "clip": 0.1, "folds": 3}.items():
        if name in IV[method].options.names():
            continue
        with pytest.raises(si.OptionError, match=rf"{name}= is an option of method=.*, not of '{method}'"):
            si.iv("y ~ d | x | z", ABSENT, method=method, **{name: value})


@pytest.mark.parametrize(
    ("verb", "method", "option"),
    [
        ("effect", "irm", {"clip": 0.5}), ("effect", "irm", {"clip": None}), ("effect", "irm", {"repeats": 0}),
        ("effect", "irm", {"folds": 2.5}), ("effect", "irm", {"folds": True}), ("iv", "late", {"folds": 0}),
        ("effect", "regression", {"target": "nonsense"}), ("effect", "regression", {"interactions": "yes"}),
        ("effect", "plr", {"score": "nonsense"}), ("effect", "ipw", {"normalize": None}), ("effect", "ipw", {"seed": -1}),
        ("effect", "aipw", {"outcome_model": "nonsense"}), ("effect", "aipw", {"treatment_model": 1.5}),
        ("effect", "aipw", {"learner": True}), ("effect", "dim", {"vcov": "HC9"}), ("effect", "dim", {"estimand": "ATX"}),
        ("iv", "liml", {"fuller": -1.0}), ("iv", "liml", {"fuller": np.inf}), ("iv", "gmm", {"gmm": "three-step"}),
        ("iv", "late", {"instrument_model": "nonsense"}), ("iv", "2sls", {"vcov": "CR9"}), ("iv", "late", {"clip": -0.1}),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_before_rows_are_read(verb, method, option):
    with pytest.raises(si.OptionError, match=next(iter(option))):
        getattr(si, verb)("y ~ d | x | z", ABSENT, method=method, **option)


def test_documentation_is_made_from_the_records():
    for table, verb in ((EFFECT, si.effect), (IV, si.iv)):
        for name, method in table.items():
            assert f'"{name}": ' in verb.__doc__
            assert all(f"{option} = " in verb.__doc__ for option in method.options.names())
            assert method.citation and method.summary and method.guarantee


def test_methods_by_the_names_of_other_packages(data):
    assert si.effect("y ~ d", data, method="DIM").method == "dim"
    assert si.effect("y ~ d | x", data, method="iptw").method == "ipw"
    assert si.iv("y ~ dose | x | z", data, method="tsls").method == "2sls"
    with pytest.raises(si.OptionError, match="Did you mean 'irm'"):
        si.effect("y ~ d | x", data, method="irn")


def test_a_default_covariance_that_does_not_exist_leaves_the_estimate(data):
    lone = data.head(6).assign(d=[1.0, 0, 0, 0, 0, 0])
    with pytest.warns(si.errors.StatinfWarning, match="HC2 does not exist.*Covariances that exist here: .*'HC1'"):
        fit = si.effect("y ~ d", lone, method="dim")
    assert fit.theta[0] == pytest.approx(lone["y"][0] - lone["y"][1:].mean())
    assert np.isnan(fit.std_errors).all() and "left out" in str(fit.summary())
    assert np.isfinite(fit.with_vcov("HC1").std_errors).all()
    with pytest.raises(si.NotIdentifiedError, match="HC2 does not exist"):
        si.effect("y ~ d", lone, method="dim", vcov="HC2")


def test_two_spellings_of_the_covariance_exclude_each_other(data):
    for verb, formula in ((si.effect, "y ~ d | x"), (si.iv, "y ~ dose | x | z")):
        with pytest.raises(si.OptionError, match="exclude each other"):
            verb(formula, data, vcov="HC1", cluster="g")
        clustered = verb(formula, data, cluster="g")
        assert verb(formula, data, vcov="~g").std_errors.equals(clustered.std_errors)


@pytest.mark.parametrize("method", ["2sls", "liml", "gmm"])
def test_linear_models_name_their_arms(data, method):
    plain = si.iv("y ~ t | x | z", data.assign(t=(data["arm"] == "drug") * 1.0), method=method)
    fit = si.iv("y ~ arm | x | z", data, method=method)
    assert fit.terms[0] == "arm[T.drug]" and "drug; reference: placebo" in str(fit.summary())
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-10)
    turned = si.iv("y ~ arm | x | z", data, method=method, treated="placebo")
    assert turned.terms[0] == "arm[T.placebo]"
    assert turned.params.iloc[0] == pytest.approx(-plain.params.iloc[0], rel=1e-10)
    np.testing.assert_allclose(
        turned.predict(data)["estimate"], plain.predict(data.assign(t=data["arm"] == "drug"))["estimate"], rtol=1e-9
    )
    assert fit.anderson_rubin(1.0).statistic == pytest.approx(turned.anderson_rubin(-1.0).statistic, rel=1e-8)
    with pytest.raises(si.OptionError, match="two levels of one treatment"):
        si.iv("y ~ dose + arm | x | z + d", data, method=method, treated="drug")


def test_predictions_do_not_depend_on_where_columns_stand(data):
    far = data.assign(x=data["x"] + 1e8)
    near, moved = (si.iv("y ~ dose | x | z", d).predict(d, interval="confidence") for d in (data, far))
    # Beside 1e8 a number is rounded to 1.5e-8.
    np.testing.assert_allclose(moved, near, rtol=1e-7, atol=1e-7)
    assert list(near) == ["estimate", "std_error", "conf_low", "conf_high"]
    beside = si.iv("y ~ dose | x | z", data).augment()
    np.testing.assert_allclose(beside["fitted"], near["estimate"], rtol=1e-9)
    np.testing.assert_allclose(beside["residual"], data["y"] - near["estimate"], atol=1e-9)


def test_several_arms_are_in_the_problem_and_refused_by_methods_of_two(data):
    from statinf.effects.rows import effect_rows

    rows = effect_rows("y ~ d | x", data)
    assert rows.arms.levels == (0.0, 1.0) and rows.arms.reference == 0.0
    doses = effect_rows("y ~ g | x", data, binary=False)
    assert len(doses.arms.levels) == 20 and doses.arms.reference == 0.0 and not doses.binary
    np.testing.assert_array_equal(doses.arms.codes, data["g"])
    for method in ("qte", "plr"):
        with pytest.raises(si.DataError, match=r"'three' has 3 values \(a, b, c\)"):
            si.effect("y ~ three | x", data, method=method)


@pytest.mark.parametrize("method", list(EFFECT))
def test_saved_and_lean_fits_keep_their_promises(data, method, tmp_path):
    treatment = "x" if EFFECT[method].doses else "d"
    beside = "" if method == "dim" else " | g" if EFFECT[method].doses else " | x"
    fit = si.effect(f"y ~ {treatment}{beside}", data, method=method)
    saved = si.load(fit.save(tmp_path / "fit"))
    assert str(saved.summary()) == str(fit.summary())
    np.testing.assert_array_equal(saved.with_vcov("HC0").vcov, fit.with_vcov("HC0").vcov)
    first = fit.beside[0]
    needing = [saved.augment, lambda: saved.influence]
    if not EFFECT[method].doses:
        needing += [getattr(saved, first), lambda: saved.plot("overlap")]
    for call in needing:
        with pytest.raises(si.DataError, match="fit again"):
            call()
    with pytest.raises(si.NotIdentifiedError, match=f"it offers .*{first}"):
        fit.predict(data)
