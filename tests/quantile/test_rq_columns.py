"""Where a column stands, its unit, and rows of weight zero change nothing but the last digits."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.quantreg.coordinates import coordinates
from statinf.numerics.quantreg.solver import fit_quantiles

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning"),
    pytest.mark.filterwarnings("ignore::statinf.errors.DroppedRowsWarning"),
]
KINDS = [
    "nid",
    "iid",
    "ker",
    "rank",
    "rank-nid",
    {"cluster": "id"},
    {"boot": "pairs", "replicas": 40},
    {"boot": "wild", "replicas": 40},
    {"boot": "pwy", "replicas": 40},
    {"boot": "multiplier", "replicas": 40},
]


def sample(n=97, seed=1):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.standard_normal(n), "z": rng.random(n), "id": np.arange(n) % 20})
    frame["g"] = rng.choice(["a", "b", "c"], n)
    frame["w"] = (np.arange(n) % 4) / 2
    frame["y"] = 1 + frame.x - frame.z + (1 + 0.3 * frame.x.abs()) * rng.standard_normal(n)
    return frame


@pytest.mark.parametrize("far, step", [(20240101, 1), (1e6, 1), (1e3, 1e-3), (1e8, 1)])
def test_whole_numbers_far_from_zero(far, step):
    """Ties in the regressor and the outcome, and a column whose middle is millions of times its spread."""
    for seed in range(12 if far == 20240101 else 4):
        rng = np.random.default_rng(seed)
        x, y = rng.integers(0, 30, 30), rng.integers(0, 6, 30).astype(float)
        near = si.rq("y ~ x", {"x": x * 1.0, "y": y}, tau=0.25, vcov="iid")
        moved = si.rq("y ~ x", {"x": far + step * x, "y": y}, tau=0.25, vcov="iid")
        assert moved.objective[0] == pytest.approx(near.objective[0], rel=1e-9)
        if step == 1:  # whole numbers are moved without rounding: the same one of several minimisers
            assert moved.params["x"] == pytest.approx(near.params["x"], abs=1e-9)
            assert moved.std_errors["x"] == pytest.approx(near.std_errors["x"], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("far", [1e5, 1e8])
def test_slopes_errors_limits_and_predictions_of_a_moved_column(kind, far):
    """The rounding of a column far from zero is far * 1.1e-16 of its spread; hundredfold that is allowed for."""
    frame, tau = sample(), [0.25, 0.6]
    moved = frame.assign(x=frame.x + far)
    a, b = (si.rq("y ~ x + z", d, tau=tau, vcov=kind) for d in (frame, moved))
    slopes = [i for i, t in enumerate(a.terms) if "Intercept" not in t]
    tolerance = 1e-14 * far
    for p, q in ((a.theta, b.theta), (a.std_errors, b.std_errors), (a.conf_int(), b.conf_int())):
        np.testing.assert_allclose(np.asarray(q)[slopes], np.asarray(p)[slopes], rtol=tolerance, atol=tolerance)
    new = pd.DataFrame({"x": [0.0, 1.5], "z": [0.2, 0.9]})
    shown = [f.predict(n, interval="confidence") for f, n in ((a, new), (b, new.assign(x=new.x + far)))]
    np.testing.assert_allclose(shown[1], shown[0], rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("formula", ["y ~ 0 + C(g) + x", "y ~ C(g) * x", "y ~ x + z"])
def test_a_constant_that_other_columns_span(formula):
    frame = sample()
    a, b = (si.rq(formula, d, tau=[0.3, 0.7]) for d in (frame, frame.assign(x=frame.x + 1e7, y=frame.y + 1e7)))
    keep = [i for i, t in enumerate(a.terms) if t.endswith("x")]
    np.testing.assert_allclose(a.theta[keep], b.theta[keep], atol=1e-6)
    np.testing.assert_allclose(a.std_errors.iloc[keep], b.std_errors.iloc[keep], rtol=1e-6)


def test_squares_of_a_column_far_from_zero():
    frame = pd.DataFrame({"d": np.arange(60.0), "y": np.random.default_rng(0).standard_normal(60)})
    a, b = (si.rq("y ~ d + I(d**2)", f, tau=[0.3, 0.6]) for f in (frame, frame.assign(d=frame.d + 20240101)))
    # A square of 4e14 is known to 1/32 beside squares that spread over thousands.
    np.testing.assert_allclose(a.theta[2::3], b.theta[2::3], atol=1e-5)
    np.testing.assert_allclose(a.std_errors.iloc[2::3], b.std_errors.iloc[2::3], rtol=1e-4)


def test_levels_that_do_not_cross_far_from_zero():
    frame, tau = sample(), np.arange(1, 10) / 10
    a, b = (si.rq("y ~ x", d, tau=tau, noncrossing=True) for d in (frame, frame.assign(x=frame.x + 1e7)))
    np.testing.assert_allclose(a.theta[1::2], b.theta[1::2], rtol=1e-6)
    np.testing.assert_allclose(a.objective, b.objective, rtol=1e-8)


def test_an_aliased_column_beside_one_far_from_zero():
    frame = sample()
    frame["x"] += 1e6
    frame["twin"] = 2 * (frame.x - 1e6) - 3 * frame.z
    with pytest.warns(si.StatinfWarning, match="twin"):
        fit = si.rq("y ~ x + z + twin", frame)
    assert np.isnan(fit.params["twin"])
    np.testing.assert_allclose(fit.std_errors.dropna(), si.rq("y ~ x + z", frame).std_errors)


@pytest.mark.parametrize("unit", [1e-120, 1e-6, 1e120])
def test_the_unit_of_the_outcome(unit):
    frame = sample()
    a, b = (si.rq("y ~ x + z", d, tau=[0.3, 0.7]) for d in (frame, frame.assign(y=frame.y * unit)))
    np.testing.assert_allclose(b.theta / unit, a.theta, rtol=1e-9)
    np.testing.assert_allclose(b.std_errors / unit, a.std_errors, rtol=3e-5)  # R's constant in the densities


@pytest.mark.parametrize("kind", [k for k in KINDS if k != KINDS[9]], ids=str)
def test_rows_of_weight_zero_are_absent_and_the_scale_of_weights_is_free(kind):
    frame = sample()
    fits = [
        si.rq("y ~ x + z", d, tau=[0.3, 0.7], weights="w", vcov=kind)
        for d in (frame, frame[frame.w > 0], frame.assign(w=2 * frame.w))
    ]
    shown = [np.r_[f.theta, f.std_errors, f.conf_int().to_numpy().ravel(), f.nobs, f.df_resid] for f in fits]
    np.testing.assert_allclose(shown[1], shown[0], rtol=1e-12)
    np.testing.assert_allclose(shown[2], shown[0], rtol=2e-5)  # R's constant in the densities of nid


@pytest.mark.parametrize("unit", [1e-170, 1e150])
def test_outcomes_whose_squares_are_no_numbers_are_refused(unit):
    with pytest.raises(si.DataError, match="the outcome 'y' has entries of size"):
        si.rq("y ~ x", sample().assign(y=lambda d: d.y * unit))


def test_a_saved_fit_predicts_far_from_zero(tmp_path):
    frame = sample()
    fit = si.rq("y ~ x", frame.assign(x=frame.x + 1e8), tau=[0.25, 0.5])
    back = si.load(fit.save(tmp_path / "fit.si"))
    new = {"x": np.array([1e8, 1e8 + 1])}
    a, b = (f.predict(new, interval="confidence") for f in (fit, back))
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12)
    np.testing.assert_allclose(back.with_vcov("iid").std_errors, fit.with_vcov("iid").std_errors, rtol=1e-12)


def test_coordinates_carry_coefficients_there_and_back():
    rng = np.random.default_rng(0)
    cells = np.eye(3)[rng.integers(0, 3, 200)]
    for X in (
        np.c_[np.ones(200), 1e6 + rng.standard_normal(200), 1e-6 * rng.random(200)],
        np.c_[cells, 1e6 + rng.standard_normal(200)],
        np.c_[np.full(200, 2.0), np.arange(200.0) + 1e5, (np.arange(200.0) + 1e5) ** 2],
        1e6 + rng.standard_normal((200, 2)),
    ):
        at = coordinates(X)
        Z = at.columns(X)
        np.testing.assert_allclose(at.back @ at.forward, np.eye(X.shape[1]), atol=1e-5)
        np.testing.assert_allclose(X @ at.back, Z, atol=1e-5)
        assert np.linalg.cond(Z) < 1e4
    assert coordinates(np.c_[np.ones(200), rng.standard_normal((200, 2))]) is None


def test_the_solver_itself_takes_columns_far_from_zero():
    rng = np.random.default_rng(0)
    for n in (200, 20_000):
        X = np.c_[np.ones(n), rng.standard_normal((n, 2))]
        y = X.sum(axis=1) + rng.standard_normal(n)
        near, far = fit_quantiles(X, y, [0.2, 0.5]), fit_quantiles(X + np.array([0, 1e8, 0]), y, [0.2, 0.5])
        np.testing.assert_allclose(far[:, 1:], near[:, 1:], atol=1e-6)
