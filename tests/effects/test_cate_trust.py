"""What users of `cate` get wrong, or would not notice: arms, rows, clusters, classes, known propensities, far columns."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.rate import rate
from statinf.effects.table import CATE

ABSENT = {"an": "object that no verb can read"}
FORMULA = "y ~ d | a + b"


def draw(seed=0, n=240):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    e = 0.2 + 0.6 / (1 + np.exp(-x[:, 0]))
    d = (rng.random(n) < e).astype(float)
    y = x @ [1.0, 0.5] + d * (1.0 + x[:, 0]) + rng.standard_normal(n)
    frame = pd.DataFrame({"y": y, "d": d, "a": x[:, 0], "b": x[:, 1], "e": e, "g": np.arange(n) % 24})
    return frame.set_axis(rng.permutation(n) + 100, axis=0)


@pytest.fixture(scope="module")
def data():
    return draw()


@pytest.mark.parametrize("method", list(CATE))
def test_options_are_read_before_rows(method):
    for option in (
        {"nonsense": 1}, {"clip": 0.5}, {"clip": None}, {"repeats": 0}, {"folds": 2.5}, {"folds": True}, {"seed": -1},
        {"final": "nonsense"}, {"outcome_model": 1 + 2j}, {"vcov": "HC9"}, {"propensity": 0.5, "treatment_model": "logit"},
    ):  # fmt: skip
        with pytest.raises(si.OptionError, match=next(iter(option))):
            si.cate(FORMULA, ABSENT, method=method, **option)
    pairs = {"pseudo", "weighting"} & set(CATE[method].options.names())
    assert bool(pairs) == (method not in ("t", "x"))
    with pytest.raises(si.OptionError, match="pseudo"):
        si.cate(FORMULA, ABSENT, method=method, pseudo="nonsense")


@pytest.mark.parametrize(
    ("on", "off", "told"),
    [
        ("drug", "placebo", "drug; reference: placebo"),
        ("active", "control", "active; reference: control"),
        ("treated", "untreated", "treated; reference: untreated"),
        ("yes", "no", "yes; reference: no"),
        ("1", "0", "1; reference: 0"),
        (True, False, None),
        ("b", "a", "b; reference: a (by their order; treated= chooses)"),
    ],
)
def test_labels_of_the_arms(data, on, off, told):
    frame = data.assign(d=np.where(data["d"] > 0, np.array(on, object), np.array(off, object)))
    for method in ("r", "t"):
        plain, fit = (si.cate(FORMULA, f, method=method, folds=4) for f in (data, frame))
        np.testing.assert_allclose(fit.params, plain.params, rtol=1e-12)
        assert fit.facts.get("Treated") == told
        if told:
            assert told in fit.summary().to_text()
        other = si.cate(FORMULA, frame, method=method, folds=4, treated=off)
        np.testing.assert_allclose(other.params, -plain.params, rtol=1e-6, atol=1e-9)
    with pytest.raises(si.OptionError, match="treated='nobody'"):
        si.cate(FORMULA, frame, treated="nobody")


def test_whole_clusters_share_a_fold(data):
    for cluster in ("g", data["g"].to_numpy(), data["g"].sample(frac=1.0, random_state=1)):
        fit = si.cate(FORMULA, data, method="t", cluster=cluster, repeats=3)
        for split in fit.learnt.how.folds:
            assert (pd.Series(split).groupby(data["g"].to_numpy()).nunique() == 1).all()
    by_column = si.cate(FORMULA, data, method="t", vcov={"cluster": "g"}, repeats=3)
    np.testing.assert_array_equal(by_column.learnt.how.folds, fit.learnt.how.folds)
    # Evaluations go by the fit's clusters too.
    assert "clustered by g" in by_column.gates().cov.label and "clustered by g" in by_column.ate().cov.label
    assert by_column.rate(replicas=5).std_error == by_column.rate(replicas=5, cluster="g").std_error
    assert "HC1" in by_column.blp(vcov="HC1").cov.label


def test_series_go_by_their_index(data):
    shuffle = data.sample(frac=1.0, random_state=3)
    w = data["b"].abs()
    labels = pd.Series(np.arange(len(data)) % 5, index=data.index)
    for method in ("ivw", "x"):
        first, second = (
            si.cate(FORMULA, data, method=method, weights=v.weights, folds=v.folds, propensity=v.e)
            for v in (
                pd.DataFrame({"weights": w, "folds": labels, "e": data["e"]}).loc[i]
                for i in (data.index, shuffle.index)
            )
        )
        np.testing.assert_array_equal(first.gamma, second.gamma)
        np.testing.assert_array_equal(first.cate, second.cate)
        np.testing.assert_array_equal(first.gates(priority=data["a"]).theta, first.gates(priority=shuffle["a"]).theta)
    hat = si.cate(FORMULA, data).predict(shuffle)
    assert hat.index.equals(shuffle.index)
    with pytest.raises(si.DataError, match="index lacks"):
        first.rate(data["a"].iloc[:50])


class Backwards:
    """A classifier that names its classes last first, as words or as numbers."""

    def __init__(self, words=None):
        self.words = words

    def fit(self, X, y, sample_weight=None):
        from sklearn.linear_model import LogisticRegression

        self.inner = LogisticRegression().fit(X, y, sample_weight)
        self.classes_ = self.inner.classes_[::-1] if self.words is None else np.array(self.words)
        return self

    def predict(self, X):
        return self.inner.predict(X)

    def predict_proba(self, X):
        return self.inner.predict_proba(X)[:, ::-1]


@pytest.mark.parametrize("method", ["x", "r"])
def test_probabilities_are_taken_by_label(data, method):
    from sklearn.linear_model import LogisticRegression

    data = data.head(120)
    expected = si.cate(FORMULA, data, method=method, treatment_model=LogisticRegression())
    for model in (Backwards(), Backwards(["1", "0"]), Backwards([True, False])):
        fit = si.cate(FORMULA, data, method=method, treatment_model=model)
        np.testing.assert_allclose(fit.cate, expected.cate, rtol=1e-10)
        np.testing.assert_allclose(fit.gamma, expected.gamma, rtol=1e-10)
    with pytest.raises(si.OptionError, match=r"classes are 'yes', 'no'"):
        si.cate(FORMULA, data, method=method, treatment_model=Backwards(["yes", "no"]))


def test_propensities_of_zero_leave_rows_without_weight(data):
    class Sure(Backwards):
        def predict_proba(self, X):
            one = np.where(X[:, 0] > 2.0, 1.0, 0.5)
            return np.column_stack([one, 1.0 - one])

    frame = data.assign(d=np.where(data["a"] > 2.0, 1.0, data["d"]))
    fit = si.cate(FORMULA, frame, method="r", treatment_model=Sure())
    assert (fit.learnt.predictions[0]["propensity"] == 1.0).any() and np.isfinite(fit.std_errors).all()


def test_known_propensities_mix_the_imputed_effects(data):
    # In-sample least squares: Y - mu0 on the treated and mu1 - Y on the controls, mixed by each row's own propensity.
    x = np.column_stack([np.ones(len(data)), data[["a", "b"]]])
    y, on, e = data["y"].to_numpy(), data["d"].to_numpy() > 0, data["e"].to_numpy()

    def solved(rows, target):
        return np.linalg.lstsq(x[rows], target[rows], rcond=None)[0]

    mu0, mu1 = x @ solved(~on, y), x @ solved(on, y)
    control, treated = solved(~on, mu1 - y), solved(on, y - mu0)

    def mixed(rows):
        columns = np.column_stack([np.ones(len(rows)), rows[["a", "b"]]])
        return rows["e"] * (columns @ control) + (1 - rows["e"]) * (columns @ treated)

    expected = mixed(data)
    for given in ("e", e, data["e"]):
        fit = si.cate(FORMULA, data, method="x", propensity=given, folds=1)
        np.testing.assert_allclose(fit.predict(data)["estimate"], expected, rtol=1e-9)
        np.testing.assert_allclose(fit.predict()["estimate"], expected, rtol=1e-9)
    # Some of the fit's rows, in another order, are known again; of other rows an array says nothing.
    np.testing.assert_allclose(fit.predict(data.iloc[6::-1])["estimate"], expected.iloc[6::-1], rtol=1e-9)
    new = data.head(7).assign(b=0.5)
    expected = mixed(new)
    with pytest.raises(si.OptionError, match="give propensity= to"):
        fit.predict(new)
    np.testing.assert_allclose(fit.predict(new, propensity=new["e"])["estimate"], expected, rtol=1e-9)
    named = si.cate(FORMULA, data, method="x", propensity="e", folds=1)
    np.testing.assert_allclose(named.predict(new)["estimate"], expected, rtol=1e-9)
    with pytest.raises(si.DataError, match="'e' is not in the data"):
        named.predict(new.drop(columns="e"))
    with pytest.raises(si.DataError, match="strictly between 0 and 1"):
        named.predict(new, propensity=1.5)
    assert np.isnan(named.predict(new.assign(e=np.nan))["estimate"]).all()


@pytest.mark.parametrize("method", list(CATE))
def test_where_a_column_stands_does_not_matter(data, method):
    # Ridge, kernels and random features depend on the scale of a column, not on its place; digits of the column remain.
    model = {"outcome_model": "ridge"} if method == "s" else {}
    far = data.assign(a=data["a"] + 1e6)
    first, second = (si.cate(FORMULA, f, method=method, seed=2, **model) for f in (data, far))
    one, two = (fit.predict(f) for fit, f in ((first, data), (second, far)))
    np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(second.gates().std_errors, first.gates().std_errors, rtol=1e-6)
    np.testing.assert_allclose(second.blp().std_errors.iloc[1:], first.blp().std_errors.iloc[1:], rtol=1e-6)


@pytest.mark.parametrize("method", list(CATE))
def test_rows_of_weight_zero_are_absent(data, method):
    w = pd.Series(np.arange(len(data)) % 3.0, index=data.index)
    kept = data[w > 0]
    labels = pd.Series(np.arange(len(data)) % 5, index=data.index)
    full = si.cate(FORMULA, data, method=method, weights=w, folds=labels)
    some = si.cate(FORMULA, kept, method=method, weights=w[w > 0], folds=labels[w > 0])
    assert full.nobs == some.nobs == len(kept)
    np.testing.assert_allclose(full.cate, some.cate, rtol=1e-10)
    for name in ("calibration", "gates", "ate", "blp"):
        first, second = getattr(full, name)(), getattr(some, name)()
        assert first.nobs == second.nobs
        np.testing.assert_allclose(first.tidy().iloc[:, 1:], second.tidy().iloc[:, 1:], rtol=1e-8)
    assert full.rate(replicas=5).draws == pytest.approx(some.rate(replicas=5).draws, rel=1e-9)


def test_rows_that_break_an_alias_are_not_predicted(data):
    frame = data.assign(c=2.0 * data["a"])
    for method in ("ivw", "t"):
        fit = si.cate("y ~ d | a + c + b", frame, method=method, learner="ridge")
        with pytest.warns(si.StatinfWarning, match="no estimate"):
            hat = fit.predict(frame.head(3).assign(c=[0.0, 2.0 * frame["a"].iloc[1], 50.0]))
        assert np.isnan(hat["estimate"]).tolist() == [True, False, True]


def test_modifiers_call_the_functions_of_the_caller(data):
    fit = si.cate(FORMULA, data, effect="~ h(a)", context={"h": np.tanh})
    expected = fit.params.iloc[0] + fit.params.iloc[1] * np.tanh(data["a"])
    np.testing.assert_allclose(fit.predict(data)["estimate"], expected, rtol=1e-12)
    assert fit.blp("~ h(b)").terms == ("d", "d:h(b)")


def test_bad_questions_are_named(data):
    fit, curve = si.cate(FORMULA, data), si.cate(FORMULA, data, method="t")
    bad = pd.Series(np.nan, index=data.index)
    for error, match, ask in (
        (si.OptionError, "no formula", lambda: si.cate(FORMULA, data, effect=3)),
        (si.OptionError, "no formula", lambda: fit.blp(3)),
        (si.OptionError, "evaluation='both'", lambda: fit.gates(evaluation="both")),
        (si.OptionError, "groups=2.5", lambda: fit.clan(2.5)),
        (si.OptionError, "knots='x'", lambda: fit.curve("a", knots="x")),
        (si.OptionError, "replicas=1.5", lambda: fit.rate(replicas=1.5)),
        (si.OptionError, "interval='prediction'", lambda: fit.predict(data, interval="prediction")),
        (si.DataError, "240 values", lambda: fit.gate("a")),
        (si.DataError, "missing or infinite in 240", lambda: fit.gates(priority=bad)),
        (si.DataError, "no numbers", lambda: fit.clan(priority=["a"] * len(data))),
        (si.OptionError, "method='x'", lambda: curve.predict(data, propensity=0.5)),
        (si.DataError, "fit again", lambda: curve.lean().gates()),
    ):
        with pytest.raises(error, match=match):
            ask()
    assert np.isnan(rate(np.zeros(50), np.arange(50.0), np.ones(50), replicas=5).p_value)


def test_results_answer_or_refuse_by_name(data, tmp_path):
    fit, curve, mixed = (si.cate(FORMULA, data, method=m) for m in ("r", "t", "x"))
    for result in (curve, mixed):
        for name in ("std_errors", "vcov", "influence"):
            with pytest.raises(si.NotIdentifiedError, match="it offers .*predict.*gates"):
                getattr(result, name)
        with pytest.raises(si.NotIdentifiedError, match="it offers"):
            result.with_vcov("HC0")
    assert list(curve.params.index) == ["d", "d:a", "d:b"]
    with pytest.raises(si.NotIdentifiedError, match="not linear"):
        mixed.params  # noqa: B018
    for result in (fit, curve, mixed):
        more = result.augment()
        assert more.index.equals(data.index) and np.array_equal(more["cate"], result.cate)
    saved = si.load(curve.save(tmp_path / "curve"))
    pd.testing.assert_frame_equal(saved.predict(data), curve.predict(data))
    with pytest.raises(si.DataError, match="fit again"):
        si.load(mixed.save(tmp_path / "mixed")).predict(data)
