"""Regions of several outcomes: their special cases, geometry, coverage, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from scipy.spatial import ConvexHull

import statinf as si
from statinf.conformity.regions.shapes import Cloud, HalfSpaces
from statinf.inference.conformal import quantile_rank
from statinf.learners.directional import DirectionalQuantiles
from statinf.numerics.geometry.directions import sphere_directions

LEVEL = 0.8
BENT = (
    lambda Y, X: np.column_stack([Y[:, 0], (Y[:, 1] - 5.0) / 3.0 - Y[:, 0] ** 2 + X[:, 0]]),
    lambda Z, X: np.column_stack([Z[:, 0], 5.0 + 3.0 * (Z[:, 1] + Z[:, 0] ** 2 - X[:, 0])]),
)
CLOUDS = {"method": "st-dqr", "transform": BENT, "n_inside": 60, "grid": 200, "n_directions": 16, "tau": 0.02}


def rows(n: int = 200, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x, e, f, g = random.standard_normal((4, n))
    frame = pd.DataFrame(
        {"x": x, "y1": x + e, "y2": 5.0 + 3.0 * (f - x * e), "y3": g + f, "g": np.where(x > 0, "a", "b")}
    )
    return frame.set_axis([f"r{i}" for i in range(n)])


def fitted(formula: str = "cbind(y1, y2) ~ x", data: pd.DataFrame | None = None, **options):
    return si.conformal(formula, rows() if data is None else data, **({"method": "dqr", "level": LEVEL} | options))


# --- special cases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [30, 101])
def test_without_covariates_directional_quantiles_are_order_statistics(n):
    Y, tau = np.random.default_rng(n).standard_normal((n, 3)), 0.13
    directions = sphere_directions(3, 40)
    found = DirectionalQuantiles(directions, tau).fit(np.empty((n, 0)), Y).offsets(np.empty((1, 0)))[0]
    expected = np.sort(directions @ Y.T, axis=1)[:, int(np.ceil(n * tau)) - 1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_one_outcome_with_the_signed_score_is_conformalized_quantile_regression():
    data, new = rows(), rows(50, 1)
    region = fitted("y2 ~ x", data, score="signed").predict(new)
    interval = fitted("y2 ~ x", data, method="cqr").predict(new)
    np.testing.assert_allclose(region["lower_y2"], interval["lower"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(region["upper_y2"], interval["upper"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(region["area"], interval["upper"] - interval["lower"], rtol=0, atol=1e-8)


def test_one_outcome_grows_as_quantile_regression_does_and_never_shrinks():
    data, new = rows(), rows(50, 1)
    cqr = fitted("y2 ~ x", data, method="cqr")
    score = np.maximum(cqr.procedure.calibration.scores[:, 0], 0.0)
    growth = np.sort(score)[quantile_rank(len(score), LEVEL) - 1]
    ends = cqr.procedure.fitted.predict_quantiles(new[["x"]].to_numpy())
    region = fitted("y2 ~ x", data, direction="grow").predict(new)
    np.testing.assert_allclose(region["lower_y2"], ends[:, 0] - growth, rtol=0, atol=1e-8)
    np.testing.assert_allclose(region["upper_y2"], ends[:, 1] + growth, rtol=0, atol=1e-8)


@pytest.mark.parametrize("options", [{"score": "signed"}, {"direction": "shrink"}])
def test_the_ball_without_a_transform_is_split_conformal_with_norms(options):
    data, new = rows(), rows(100, 1)
    split = np.arange(len(data)) % 2 == 1
    fit = fitted(data=data, method="st-dqr", transform="identity", split=split, **options)
    train = data.loc[~split, ["y1", "y2"]]

    def norm(frame):
        return np.linalg.norm((frame[["y1", "y2"]] - train.mean()) / train.std(ddof=0), axis=1)

    threshold = np.sort(norm(data[split]))[quantile_rank(split.sum(), LEVEL) - 1]
    np.testing.assert_array_equal(fit.contains(new), norm(new) <= threshold)
    radius = threshold - np.sqrt(stats.chi2.ppf(LEVEL, 2))
    predicted = fit.predict(new)
    np.testing.assert_allclose(predicted["radius"], radius, rtol=0, atol=1e-8)
    area = np.pi * threshold**2 * train.std(ddof=0).prod()
    np.testing.assert_allclose(predicted["area"], area, rtol=1e-8)
    ends = train["y1"].mean() + np.array([-1, 1]) * threshold * train["y1"].std(ddof=0)
    np.testing.assert_allclose(predicted[["lower_y1", "upper_y1"]].to_numpy()[0], ends, rtol=1e-8)


def test_directional_quantiles_of_untransformed_outcomes_are_dqr():
    plain, latent = fitted(), fitted(method="st-dqr", transform="identity", latent="dqr")
    pd.testing.assert_frame_equal(plain.predict(rows(20, 1)), latent.predict(rows(20, 1)))


def test_a_cloud_that_fills_a_region_scores_as_the_region_does():
    step = 1e-3
    exact = HalfSpaces(np.array([[1.0], [-1.0]]), np.array([-0.5, -1.0]))
    cloud = Cloud(np.arange(-0.5, 1.0 + step / 2, step)[:, None], np.linspace(-4, 4, 8001)[:, None])
    y = np.linspace(-3.0, 3.0, 301)[:, None]
    for signed in (False, True):
        np.testing.assert_allclose(cloud.scores(y, signed), exact.scores(y, signed), rtol=0, atol=3.1 * step)


@pytest.mark.parametrize(("half", "score"), [(2.0, "distance"), (1.0, "signed")])
def test_a_decoded_ball_is_the_ball_up_to_the_spacing_of_its_points(half, score):
    data = rows()
    calibrates = np.arange(len(data)) % 2 == 1
    train = data.loc[~calibrates, ["y1", "y2"]]
    centre, scale = train.mean().to_numpy(), train.std(ddof=0).to_numpy()

    def forward(Y, X):
        return half * (Y - centre) / scale

    forward.inverse = lambda Z, X: centre + scale * Z / half
    options = {"score": score, "n_inside": 1000, "grid": 4000, "direction": "auto" if score == "signed" else "grow"}
    fit = fitted(data=data, method="st-dqr", transform=forward, split=calibrates, **options)
    Y = (data.loc[calibrates, ["y1", "y2"]].to_numpy() - centre) / scale
    exact = np.linalg.norm(Y, axis=1) - np.sqrt(stats.chi2.ppf(LEVEL, 2)) / half
    exact = exact if score == "signed" else np.maximum(exact, 0.0)
    # Distances to points are off by their spacing, those to a grid by its own, which is less.
    spacing = 2.0 * fit.procedure.model.shape(np.zeros(1)).resolution
    close = np.abs(fit.procedure.calibration.scores[:, 0] - exact) <= spacing
    assert close.mean() >= (1.0 if score == "distance" else 0.9)
    threshold = np.sort(exact)[quantile_rank(len(exact), LEVEL) - 1]
    assert abs(fit.predict(data.head(1))["radius"].iloc[0] - threshold) <= spacing


# --- geometry ---------------------------------------------------------------------------------------------


def test_polygons_are_those_of_their_corners():
    region = fitted().regions(rows(3, 1))[1]
    corners = region.points
    hull = ConvexHull(corners)
    assert len(hull.vertices) == len(corners)
    assert region.area == pytest.approx(hull.volume, rel=1e-10)
    inside = corners.mean(axis=0) + 0.999 * (corners - corners.mean(axis=0))
    outside = corners.mean(axis=0) + 1.001 * (corners - corners.mean(axis=0))
    assert region.contains(inside).all() and not region.contains(outside).any()
    assert (region.box["lower"] <= corners.min(axis=0) + 1e-9).all()
    assert (region.box["upper"] >= corners.max(axis=0) - 1e-9).all()


def test_half_planes_without_a_common_point_leave_nothing():
    directions = sphere_directions(2, 16)
    nothing = HalfSpaces(directions, np.full(16, 0.1))
    assert nothing.volume(0.0) == 0.0 and len(nothing.points(0.0, True)) == 0 and np.isnan(nothing.box(0.0, True)).all()
    assert nothing.volume(1.1) == pytest.approx(16 * np.tan(np.pi / 16), rel=1e-12)


@pytest.mark.parametrize("latent", ["sphere", "dqr"])
@pytest.mark.parametrize("score", ["distance", "signed"])
def test_regions_of_points_agree_with_what_the_fit_says(latent, score):
    new = rows(25, 1)
    fit = fitted(latent=latent, score=score, **CLOUDS)
    predicted, regions = fit.predict(new), fit.regions(new)
    inside = [region.contains(y) for region, y in zip(regions, new[["y1", "y2"]].to_numpy(), strict=True)]
    np.testing.assert_array_equal(fit.contains(new), inside)
    assert regions[0].area == pytest.approx(predicted["area"].iloc[0])
    box = regions[0].box
    assert box.loc["y2"].tolist() == pytest.approx(predicted[["lower_y2", "upper_y2"]].iloc[0].tolist())
    assert ((box["lower"].to_numpy() <= regions[0].points) & (regions[0].points <= box["upper"].to_numpy())).all()
    assert (fit.area(new, level=0.6)["area"] <= predicted["area"] + 1e-12).all()
    p = fit.p_values(new)
    np.testing.assert_array_equal(p > 1 - LEVEL + 1e-12, fit.contains(new))


def test_volumes_of_three_outcomes_come_with_their_errors():
    new = rows(4, 1)
    box = fitted("cbind(y1, y2, y3) ~ x", n_directions=6)
    predicted = box.predict(new)
    sides = np.prod([predicted[f"upper_{y}"] - predicted[f"lower_{y}"] for y in box.outcomes], axis=0)
    np.testing.assert_allclose(predicted["area"], sides, rtol=1e-12)
    polytope = fitted("cbind(y1, y2, y3) ~ x", n_directions=40, grid=4000)
    found = polytope.area(new)
    again = fitted("cbind(y1, y2, y3) ~ x", n_directions=40, grid=40_000).area(new)
    error = np.hypot(found["std_error"], again["std_error"])
    assert (found["std_error"] > 0).all() and (np.abs(found["area"] - again["area"]) < 4 * error).all()


# --- coverage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"score": "signed"}, {"method": "st-dqr", "transform": "identity"}])
def test_coverage_has_its_law(options):
    """Coverage given the calibration is Beta(k, n + 1 - k): its mean over repetitions, and the beta-binomial band."""
    repeats, n, m = 40, 30, 100
    hits = np.empty(repeats)
    for seed in range(repeats):
        fit = fitted(data=rows(2 * n, seed), n_directions=4, seed=seed, **options)
        hits[seed] = fit.contains(rows(m, 10_000 + seed)).sum()
    k = quantile_rank(n, LEVEL)
    law = stats.betabinom(m, k, n + 1 - k)
    # Where the score is not signed, scores are tied at zero and regions may hold more.
    high = np.inf if "score" not in options else law.mean() + 4 * law.std() / np.sqrt(repeats)
    assert law.mean() - 4 * law.std() / np.sqrt(repeats) <= hits.mean() <= high
    band = stats.binom(repeats, law.cdf(law.ppf(0.05) - 1)).ppf(0.9999)
    assert (hits < law.ppf(0.05)).sum() <= band


def test_regions_that_bend_are_smaller_where_outcomes_bend():
    data, new = (si.datasets.simulate("banana", n, seed=s) for n, s in ((600, 1), (100, 2)))
    formula = "cbind(y1, y2) ~ x1"
    bent = si.conformal(
        formula, data, method="st-dqr", epochs=100, hidden=(16, 16), n_inside=400, rate=0.005, split=0.6
    )
    convex = si.conformal(formula, data, method="dqr", n_directions=32, split=0.7)
    found = [fit.coverage(new, slab=None).iloc[0] for fit in (bent, convex)]
    network = {"epochs": 10, "hidden": (16, 16), "n_inside": 20, "split": 0.7, "seed": 3}
    one, two = (si.conformal(formula, data, method="st-dqr", **network).predict(new.head(3)) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    with pytest.raises(si.ConvergenceError, match="loss is not finite at rate=1e\\+200"):
        si.conformal(formula, data, method="st-dqr", rate=1e200, **network)
    low, high = stats.betabinom(100, 163, 18).ppf([0.001, 0.999]) / 100
    assert all(low <= one["coverage"] <= high for one in found)
    assert 1.4 * found[0]["area"] < found[1]["area"]


# --- rows, groups, weights --------------------------------------------------------------------------------


def test_groups_and_ratios_have_thresholds_of_their_own():
    data, new = rows(300), rows(60, 1)
    grouped = fitted(data=data, by="g", score="signed")
    radius = grouped.predict(new).groupby(new["g"])["radius"].unique()
    assert all(len(found) == 1 for found in radius) and radius["a"][0] != radius["b"][0]
    assert set(grouped.coverage(new)["label"]) >= {"g = a", "g = b"} or "a" in " ".join(grouped.coverage(new)["label"])
    assert len(grouped.summary().rows) == 2
    shifted = fitted(data=data, weights=lambda d: np.exp(d["x"]))
    assert shifted.predict(new)["radius"].nunique() > 1


def test_rows_keep_their_labels_and_gaps_are_missing():
    data, new = rows(), rows(6, 1)
    new.loc["r1", "x"], new.loc["r2", "y2"] = np.nan, np.nan
    fit = fitted(data=data)
    with pytest.warns(si.StatinfWarning, match="x is missing"):
        predicted = fit.predict(new)
    assert list(predicted.index) == list(new.index)
    assert predicted.loc["r1"].isna().all() and predicted.drop(index="r1").notna().all().all()
    new = new.assign(y1=new["y1"].where(new.index != "r1"), x=new["x"].fillna(0.0))
    assert fit.coverage(new, slab=None)["n"].tolist() == [4]
    with pytest.warns(si.StatinfWarning, match="x is missing"):
        assert fit.regions(data.head(2).assign(x=[0.0, np.nan]))[1] is None
    assert not fit.contains(new)[1:3].any() and np.isnan(fit.p_values(new)[1:3]).all()
    assert isinstance(fit.coverage(pl.from_pandas(new)), pl.DataFrame)
    assert fit.outcomes == ("y1", "y2") and fitted("log(y3 + 20) + y1 ~ x").outcomes == ("log(y3 + 20)", "y1")


def test_the_direction_is_chosen_on_validation_rows_that_others_do_not_see():
    one = fitted(tau=0.001).procedure
    other = fitted(tau=0.2).procedure
    assert one.signed and not other.signed and one.held == other.held == 20 and one.trained == 80
    assert fitted(score="signed").procedure.held == 0


def test_a_method_is_found_for_several_outcomes_and_other_learners_serve():
    assert fitted(method=None).method == "dqr"
    fit = fitted(model="gaussian", n_directions=8)
    assert len(fit.procedure.model.fitted.fits) == 8 and np.isfinite(fit.predict(rows(5, 1))).all().all()


def test_figures_are_drawn():
    import matplotlib.pyplot as plt

    fit = fitted()
    axes = fit.plot(newdata=rows(5, 1), rows=2), fit.plot("area"), fit.regions(rows(1, 1))[0].plot()
    assert fit.plot("coverage", newdata=rows(80, 1)).get_xlabel() == "x"
    assert axes[0].get_xlabel() == "y1" and len(axes[0].get_legend().get_texts()) == 2
    plt.close("all")
    with pytest.raises(si.DataError, match="regions of 3 outcomes have no figure"):
        fitted("cbind(y1, y2, y3) ~ x", n_directions=6).plot()
    with pytest.raises(si.OptionError, match="kind='band'"):
        fit.plot("band")


# --- bad input --------------------------------------------------------------------------------------------


def _halved(Y, X):
    return Y / 2.0


_halved.inverse = lambda Z, X: Z
BAD = {
    "tau": ({"tau": 0.5}, si.OptionError, "tau=0.5"),
    "tau zero": ({"tau": 0}, si.OptionError, "tau=0"),
    "signed and a direction": ({"score": "signed", "direction": "grow"}, si.OptionError, "direction='grow'"),
    "no training rows": ({"split": 0.0}, si.OptionError, "split"),
    "constant outcome": ({"formula": "cbind(y1, 0 * y2 + 3) ~ x"}, si.DataError, "zero variance"),
    "categories": ({"formula": "cbind(y1, g) ~ x"}, si.DataError, "'g' holds categories"),
    "transform": ({"method": "st-dqr", "transform": "pca"}, si.OptionError, "'pca'"),
    "no inverse": ({"method": "st-dqr", "transform": np.sqrt}, si.OptionError, "inverse"),
    "round trip": ({"method": "st-dqr", "transform": _halved}, si.DataError, "does not bring outcomes back"),
    "shape": ({"method": "st-dqr", "transform": (lambda Y, X: Y[:, 0], lambda Z, X: Z)}, si.DataError, "shape"),
    "shape back": (
        {"method": "st-dqr", "transform": (lambda Y, X: Y, lambda Z, X: Z[:, :1])},
        si.DataError,
        "makes 1 outcomes of 2",
    ),
    "not finite": (
        {"method": "st-dqr", "transform": (lambda Y, X: Y * np.nan, lambda Z, X: Z)},
        si.DataError,
        "not finite",
    ),
    "a learner for a ball": ({"method": "st-dqr", "model": "rq"}, si.OptionError, "latent='dqr'"),
    "hidden": ({"method": "st-dqr", "hidden": (0,)}, si.OptionError, "hidden"),
    "empty regions": (
        CLOUDS | {"latent": "dqr", "tau": 0.49},
        si.DataError,
        "empty; give a smaller tau",
    ),
    "many outcomes shrink": (
        {"formula": "cbind(y1, y2, y3, y1 * y2, y1 * y3) ~ x", "method": "st-dqr", "score": "signed"},
        si.OptionError,
        "can only grow",
    ),
    "interval": ({"method": "dqr", "predict": {"interval": "confidence"}}, si.OptionError, "interval="),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    options, error, said = BAD[case]
    options = dict(options)
    predict = options.pop("predict", None)
    with pytest.raises(error, match=said):
        fit = fitted(options.pop("formula", "cbind(y1, y2) ~ x"), **options)
        fit.predict(rows(3), **(predict or {}))


def test_few_calibration_rows_leave_the_whole_space_with_a_warning():
    with pytest.warns(si.StatinfWarning, match="at least 9 are needed"):
        fit = fitted(data=rows(12), level=0.9, score="signed")
    new = rows(3, 1)
    predicted = fit.predict(new)
    assert np.isinf(predicted).all().all() and fit.contains(new).all()
    with pytest.raises(si.DataError, match="whole space"):
        _ = fit.regions(new)[0].points
    with pytest.raises(si.DataError, match="give the 2 outcomes y1, y2"):
        fit.regions(new)[0].contains([1.0, 2.0, 3.0])


def test_one_outcome_and_many_draw_a_hint():
    with pytest.warns(si.StatinfWarning, match="method='cqr'"):
        fitted("y1 ~ x", method="st-dqr", transform="identity")
    with pytest.warns(si.StatinfWarning, match="5 outcomes are many"):
        same = (lambda Y, X: Y, lambda Z, X: Z)
        fit = fitted("cbind(y1, y2, y3, y1 * y2, y1 * y3) ~ x", method="st-dqr", transform=same, n_inside=50, grid=2000)
    assert np.isfinite(fit.area(rows(2, 1))).all().all()


def test_a_saved_fit_takes_its_callables_when_it_is_loaded(tmp_path):
    random = np.random.default_rng(0)
    data = pd.DataFrame(random.standard_normal((120, 3)), columns=["x", "y1", "y2"])

    def forward(Y, X):
        return Y - 0.5 * X[:, :1]

    def inverse(Z, X):
        return Z + 0.5 * X[:, :1]

    fit = si.conformal("cbind(y1, y2) ~ x", data, method="st-dqr", transform=(forward, inverse))
    path = fit.save(tmp_path / "regions.si")
    again = si.load(path, context={"forward": forward, "inverse": inverse})
    pd.testing.assert_frame_equal(again.predict(data), fit.predict(data))
    with pytest.raises(si.DataError, match=r"function 'inverse'.*context="):
        si.load(path).predict(data)
