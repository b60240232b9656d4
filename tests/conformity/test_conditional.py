"""Coverage over a class of functions: thresholds beside linear programmes, Mondrian sets, and the coverage promised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import statinf as si
from statinf.inference.function_class import FunctionClass, conditional_thresholds


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = x + rng.normal(size=n) * (1.0 + (x > 0))
    return pd.DataFrame({"x": x, "y": y, "g": rng.choice(list("abc"), n), "h": rng.random(n) < 0.3})


@pytest.fixture(scope="module")
def data():
    return rows(300)


def dual_of_last(basis, scores, new, imputed, level):
    """The last dual variable of the quantile regression of the scores and an imputed one, by HiGHS."""
    solved = linprog(
        -np.append(scores, imputed),
        A_eq=np.vstack([basis, new]).T,
        b_eq=np.zeros(basis.shape[1]),
        bounds=(level - 1.0, level),
        method="highs",
    )
    assert solved.status == 0
    return solved.x[-1]


def by_highs(basis, scores, new, level, cutoff):
    """The threshold as the optimum of a linear programme in residuals of either sign; infinite where it is unbounded."""
    n, d = basis.shape
    solved = linprog(
        np.concatenate([-cutoff * new, np.full(n, level), np.full(n, 1.0 - level)]),
        A_eq=np.hstack([basis, np.eye(n), -np.eye(n)]),
        b_eq=scores,
        bounds=[(None, None)] * d + [(0.0, None)] * (2 * n),
        method="highs",
    )
    return new @ solved.x[:d] if solved.status == 0 else np.copysign(np.inf, cutoff)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.8, [0.973125, 0.87, 1.09]), (0.9, [1.035, 1.33, 1.8233333333333333]), (0.95, [1.18875, np.inf, np.inf])],
)
def test_thresholds_of_the_authors_code(level, expected):
    i = np.arange(1, 21)
    x, y = i / 10, 1 + 2 * i / 10 + ((7 * i) % 11 - 5) / 5
    new = np.column_stack([np.ones(3), [1.05, 0.3, 1.9]])
    found = conditional_thresholds(np.column_stack([np.ones(20), x]), np.abs(y - 1.1 - 2.1 * x), new, level)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("level", [0.9, 0.55])
def test_thresholds_are_optima_of_a_linear_programme(level):
    rng = np.random.default_rng(1)
    basis = np.column_stack([np.ones(120), rng.normal(size=(120, 3)), rng.random(120) < 0.2])
    new = np.column_stack([np.ones(30), 2.5 * rng.normal(size=(30, 3)), rng.random(30) < 0.2])
    scores = np.abs(rng.normal(size=120)) * (1.0 + basis[:, -1])
    for cutoffs in (None, level - rng.random(30)):
        found = conditional_thresholds(basis, scores, new, level, cutoffs)
        cuts = np.full(30, level) if cutoffs is None else cutoffs
        theirs = np.array([by_highs(basis, scores, x, level, c - 2e-8) for x, c in zip(new, cuts, strict=True)])
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(theirs))
        np.testing.assert_allclose(found, theirs, rtol=1e-8)
        assert np.isfinite(found).any()


def test_last_dual_variable_reaches_the_level_at_the_threshold():
    rng = np.random.default_rng(2)
    basis, new = (np.column_stack([np.ones(n), rng.normal(size=(n, 2))]) for n in (80, 8))
    scores = np.abs(rng.normal(size=80))
    for x, q in zip(new, conditional_thresholds(basis, scores, new, 0.8), strict=True):
        assert np.isfinite(q)
        assert dual_of_last(basis, scores, x, q + 1e-6, 0.8) > 0.8 - 1e-9
        assert dual_of_last(basis, scores, x, q - 1e-6, 0.8) < 0.8 - 1e-6


@pytest.mark.parametrize("n", [9, 8, 39, 40])
def test_constant_alone_is_the_conformal_quantile(n):
    from statinf.inference.conformal import threshold

    scores = np.random.default_rng(3).integers(0, 6, n).astype(float)
    for level in (0.5, 0.8, 0.9):
        found = conditional_thresholds(np.ones((n, 1)), scores, np.ones((1, 1)), level)
        assert found[0] == threshold(scores, level)


@pytest.mark.parametrize("second", ["g", "g - 1", "g + g:g", "C(g) + I(1 * (g == 'b'))"])
def test_disjoint_groups_give_mondrian_sets(data, second):
    new = rows(100, 1)
    ours = si.conformal(f"y ~ x | {second}", data, method="conditional").predict(new)
    mondrian = si.conformal("y ~ x", data, method="mondrian", by="g").predict(new)
    np.testing.assert_allclose(ours.to_numpy(), mondrian.to_numpy(), rtol=1e-12)
    named = si.conformal("y ~ x", data, method="conditional", by="g").predict(new)
    np.testing.assert_allclose(named.to_numpy(), mondrian.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("randomize", [False, True])
def test_coverage_in_overlapping_groups(randomize):
    rng = np.random.default_rng(4)
    level, hits = 0.8, []
    for _ in range(200):
        z = rng.random((60 + 40, 2)) < (0.5, 0.3)
        basis = np.column_stack([np.ones(100), z])
        scores = np.abs(rng.normal(size=100)) * (1.0 + 2.0 * z[:, 0] + z[:, 1])
        cutoffs = level - rng.random(40) if randomize else None
        covered = scores[60:] <= conditional_thresholds(basis[:60], scores[:60], basis[60:], level, cutoffs)
        # Sums over the group and its expected size: the guarantee is of E[f(x) (covered - level)].
        hits.append((basis[60:] * (covered - level)[:, None]).mean(axis=0))
    gap, error = np.mean(hits, axis=0), np.std(hits, axis=0) / np.sqrt(len(hits))
    assert (gap > -4.0 * error).all()
    if randomize:
        assert (gap < 4.0 * error).all()
    else:
        assert (gap < 3.0 / 61.0 + 4.0 * error).all()


def test_split_conformal_misses_where_conditional_covers():
    data, new = rows(4000, 5), rows(4000, 6).assign(right=lambda d: d["x"] > 0)
    data = data.assign(right=data["x"] > 0)
    tables = [
        si.conformal("y ~ x" + second, data, method=method).coverage(new, by="right").set_index("label")
        for method, second in (("split", ""), ("conditional", " | right + h"))
    ]
    right = [t.loc["True", "coverage"] for t in tables]
    assert right[0] < 0.86 < 0.88 < right[1]


def test_coverage_shows_the_groups_of_the_second_part(data):
    fit = si.conformal("y ~ x | g + h + x", data, method="conditional", level=0.8)
    new = rows(400, 7)
    table = fit.coverage(new).set_index("label")
    groups = table[table["part"] == "group"]
    assert list(groups.index) == ["g = b", "g = c", "g: others", "h = 1", "h = 0"]
    assert groups.loc["g = b", "n"] == (new["g"] == "b").sum()
    assert groups.loc["g = b", "covered"] == fit.contains(new)[new["g"] == "b"].sum()
    assert "5" in str(fit.summary())


def test_rows_that_calibration_rows_do_not_determine_have_infinite_sets(data):
    data = data.assign(g=np.where(np.arange(300) == 0, "b", "a"))
    held = np.arange(300) >= 100
    fit = si.conformal("y ~ x | g", data.assign(held=held), method="conditional", split="held")
    assert fit.procedure.functions.dimension == 1
    with pytest.warns(si.StatinfWarning, match="1 of 2 sets are infinite"):
        found = fit.predict(data.head(2))
    assert np.isinf(found["upper"][0]) and np.isfinite(found["upper"][1])


def test_far_columns_change_nothing(data):
    new = rows(50, 8)
    near = si.conformal("y ~ x | g + x", data, method="conditional", randomize=True).predict(new)
    far = si.conformal("y ~ x | g + I(1e6 + 3 * x)", data, method="conditional", randomize=True).predict(new)
    np.testing.assert_allclose(far.to_numpy(), near.to_numpy(), rtol=1e-7)


def test_empty_sets_of_randomised_cutoffs():
    found = conditional_thresholds(np.ones((3, 1)), np.arange(3.0), np.ones((2, 1)), 0.4, np.array([-0.59, 0.39]))
    assert list(found) == [0.0, 1.0]
    few = conditional_thresholds(np.ones((1, 1)), np.zeros(1), np.ones((2, 1)), 0.4, np.array([-0.59, 0.39]))
    assert few[0] == -np.inf and few[1] == 0.0


def test_class_drops_columns_that_depend_on_others():
    rng = np.random.default_rng(9)
    x = rng.normal(size=50)
    found = FunctionClass.of(np.column_stack([x, 2 * x + 1, np.full(50, 7.0), np.zeros(50), rng.normal(size=50)]))
    assert found.dimension == 3
    basis, inside = found.rows(
        np.array([[1.0, 3.0, 7.0, 0.0, 0.5], [1.0, 3.1, 7.0, 0.0, 0.5], [1.0, 3.0, 7.0, 1.0, 0.5]])
    )
    assert basis.shape == (3, 3)
    assert list(inside) == [True, False, False]


def test_bad_input(data):
    with pytest.raises(si.OptionError, match="needs groups"):
        si.conformal("y ~ x", data, method="conditional")
    with pytest.raises(si.OptionError, match="takes no weights="):
        si.conformal("y ~ x | g", data, method="conditional", weights="x")
    with pytest.raises(si.OptionError, match="randomize"):
        si.conformal("y ~ x | g", data, method="conditional", randomize="yes")
    with pytest.raises(si.FormulaError, match="column"):
        si.conformal("y ~ x | nothing", data, method="conditional")
    fit = si.conformal("y ~ x | g", data, method="conditional")
    with pytest.raises(si.OptionError, match="without p-values"):
        fit.p_values(data)
    with pytest.raises(si.DataError, match="g"):
        fit.predict(data[["x"]])
    with pytest.raises(si.DataError, match="functions"):
        conditional_thresholds(np.ones((1, 2)), np.ones(1), np.ones((1, 2)), 0.9)
