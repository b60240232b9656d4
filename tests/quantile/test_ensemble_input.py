"""Ensembles and stacks: the order of levels, plain classes, folds, outcomes and weights at the edge."""

import sys

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, OptionError

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
TAU = [0.9, 0.5, 0.1]
COMMON = {"tau": TAU, "local": False, "resolution": "coarse", "folds": 2}


class Constant:
    """Predicts the sample's quantiles in the order of TAU."""

    def fit(self, X, y):
        self.quantiles = np.quantile(y, TAU)

    def predict(self, X):
        return np.tile(self.quantiles, (len(X), 1))


class Mean:
    def fit(self, X, y):
        self.mean = y.mean()

    def predict(self, X):
        return np.full(len(X), self.mean)


def frame(n=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.standard_normal(n), "y": rng.standard_normal(n), "w": np.arange(n) % 3, "c": 1.0})


@pytest.mark.parametrize("calibrate", [None, "cqr", "cv+"])
def test_columns_of_objects_follow_the_levels_as_given(calibrate):
    data = frame()
    given = si.quantile_ensemble("y ~ x", data, models={"c": Constant()}, calibrate=calibrate, **COMMON)
    shown = given.predict(data)
    assert list(shown.columns) == ["q0.1", "q0.5", "q0.9"] and shown.iloc[0, 0] < -0.5 < 0.5 < shown.iloc[0, 2]
    if calibrate is None:
        np.testing.assert_allclose(shown.iloc[0], np.quantile(data.y, [0.1, 0.5, 0.9]))
        again = given.predict(data, predictions=given.base_predictions(data))
        pd.testing.assert_frame_equal(again, shown)
        assert given.out_of_fold["c"][0, 0] > given.out_of_fold["c"][0, 2]


@pytest.mark.parametrize("calibrate", [None, "cqr"])
def test_columns_of_arrays_follow_the_levels_as_given(calibrate):
    data = frame()
    Z = np.tile([1.28, 0.0, -1.28], (60, 1)) + 0.1 * data.x.to_numpy()[:, None]
    backwards = si.quantile_ensemble("y ~ x", data, models={"z": Z}, calibrate=calibrate, **COMMON)
    forwards = si.quantile_ensemble(
        "y ~ x", data, models={"z": Z[:, ::-1]}, calibrate=calibrate, **COMMON | {"tau": TAU[::-1]}
    )
    pd.testing.assert_frame_equal(
        backwards.predict(data, predictions={"z": Z}), forwards.predict(data, predictions={"z": Z[:, ::-1]})
    )
    if calibrate is None:
        assert backwards.predict(data, predictions={"z": Z})["q0.1"][0] == pytest.approx(-1.28 + 0.1 * data.x[0])
    with pytest.raises(OptionError, match="an array for each of z"):
        backwards.predict(data, predictions={"other": Z})
    with pytest.raises(DataError, match=r"shape \(60, 2\)"):
        backwards.predict(data, predictions={"z": Z[:, :2]})


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    for name in [m for m in sys.modules if m.partition(".")[0] == "sklearn"] or ["sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OptionError, match=r"\.\[sklearn\]"):
        si.quantile_ensemble("y ~ x", frame(), models=["forest"], **COMMON)


def test_plain_classes_work_and_what_is_no_object_is_refused():
    data = frame()
    assert si.stack("y ~ x", data, models={"mean": Mean(), "lm": "lm"}, folds=2).model_weights.sum() == pytest.approx(1)
    assert si.quantile_ensemble("y ~ x", data, models={"mean": Mean()}, **COMMON).predict(data).shape == (60, 3)
    for call in (
        lambda m, **o: si.stack("y ~ x", data, models=[m], **o),
        lambda m, **o: si.quantile_ensemble("y ~ x", data, models=[m], **COMMON | o),
    ):
        with pytest.raises(OptionError, match="Mean is a class"):
            call(Mean)
        with pytest.raises(OptionError, match="takes no row weights"):
            call(Mean(), weights="w")
        with pytest.raises(OptionError, match="'lasoo'"):
            call("lasoo")
        with pytest.raises(OptionError, match="fit"):
            call({})
    with pytest.raises(DataError, match="one number per row"):
        si.stack("y ~ x", data, models=[Constant()], folds=2)


def test_folds_are_a_number_of_any_kind_or_one_id_per_row():
    data = frame()
    ids = np.arange(60) % 3
    for verb, options in ((si.stack, {"models": ["lm"]}), (si.quantile_ensemble, {"models": ["rq"], **COMMON})):
        run = lambda folds: verb("y ~ x", data, **options | {"folds": folds})  # noqa: B023, E731
        assert run(np.int64(3)).nobs == 60 and run(ids).nobs == 60
        with pytest.raises(DataError, match="folds is missing in row 4"):
            run(np.where(np.arange(60) == 4, np.nan, ids))
        for wrong in ("many", ids[:7], 1, True):
            with pytest.raises(OptionError, match="folds"):
                run(wrong)


def test_constant_outcomes_one_row_and_rows_of_weight_zero():
    data = frame()
    flat = si.quantile_ensemble("c ~ x", data, models=["rq"], **COMMON)
    np.testing.assert_allclose(flat.predict(data), 1.0)
    np.testing.assert_allclose(si.stack("c ~ x", data, models=["lm"], folds=2).predict(data)["estimate"], 1.0)
    for verb, options in (
        (si.stack, {"models": ["lm"], "folds": 2}),
        (si.quantile_ensemble, {"models": ["rq"], **COMMON}),
    ):
        with pytest.raises(OptionError, match="folds"):
            verb("y ~ x", data.head(1), **options)
        fits = [verb("y ~ x", d, weights="w", **options) for d in (data, data[data.w > 0], data.assign(w=2 * data.w))]
        shown = [np.asarray(f.predict(data)) for f in fits]
        np.testing.assert_allclose(shown[1], shown[0], rtol=1e-10)
        np.testing.assert_allclose(shown[2], shown[0], rtol=1e-7)
        assert [f.nobs for f in fits] == [40, 40, 40]


def test_predictions_in_a_series_or_frame_go_by_their_index():
    data = frame().set_axis(np.random.default_rng(1).permutation(60), axis=0)
    Z = pd.DataFrame(np.array([1.28, 0.0, -1.28]) + data[["x"]].to_numpy(), index=data.index)
    one, two = (si.quantile_ensemble("y ~ x", data, models={"z": z}, **COMMON) for z in (Z, Z.sort_index()))
    shown = one.predict(data, predictions={"z": Z})
    pd.testing.assert_frame_equal(two.predict(data, predictions={"z": Z.sort_index()}), shown)
    assert two.score(data, predictions={"z": Z.sort_index()}).wis == one.score(data, predictions={"z": Z}).wis
    stacks = [si.stack("y ~ x", data, models=["lm", z]).model_weights for z in (data["x"], data["x"].sort_index())]
    np.testing.assert_array_equal(*stacks)
    with pytest.raises(DataError, match="index lacks"):
        si.stack("y ~ x", data, models={"z": data["x"].set_axis(data.index + 1)})


@pytest.mark.parametrize("calibrate", [None, "cqr"])
def test_losses_shown_are_those_of_weighted_rows(calibrate):
    data, Z = frame(), np.tile([-1.28, 0.0, 1.28], (60, 1))
    options = COMMON | {"tau": TAU[::-1], "calibrate": calibrate}
    weighted = si.quantile_ensemble("y ~ x", data, models={"z": Z}, weights="w", **options)
    error = data[["y"]].to_numpy() - Z
    loss = np.maximum(np.array(TAU[::-1]) * error, (np.array(TAU[::-1]) - 1) * error).mean(axis=1)
    doubled = np.repeat(np.arange(60), data["w"])
    again = si.quantile_ensemble("y ~ x", data.iloc[doubled], models={"z": Z[doubled]}, **options)
    if calibrate is None:
        assert weighted.out_of_fold_loss["z"] == pytest.approx(np.average(loss, weights=data["w"]), rel=1e-12)
        assert again.out_of_fold_loss == pytest.approx(weighted.out_of_fold_loss, rel=1e-12)
    assert weighted.nobs == 40 and len(weighted.out_of_fold["z"]) == (40 if calibrate is None else 30)
