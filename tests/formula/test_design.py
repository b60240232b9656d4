"""The design's columns against formulaic's, over formulas and kinds of tables."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formula.tables import columns, table
from statinf.errors import DataError, StatinfWarning
from statinf.formula import design


def oracle(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    from formulaic import Formula

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Formula(formula).get_model_matrix(data, context={"np": np, "sqrt": np.sqrt})
    return pd.DataFrame(made.rhs)


SAME_NAMES = [
    "y ~ x1",
    "y ~ x1 + x2",
    "y ~ 0 + x1 + x2",
    "y ~ x1 - 1",
    "y ~ x1 * x2",
    "y ~ x1:x2",
    "y ~ (x1 + x2 + k)**2",
    "y ~ (x1 + x2 + k)^3 - x1:x2:k",
    "y ~ x1 / x2",
    "y ~ g",
    "y ~ 0 + g",
    "y ~ g - 1 + h",
    "y ~ g + h",
    "y ~ g * h",
    "y ~ g * x1",
    "y ~ g:x1",
    "y ~ x1 + g:x1",
    "y ~ 0 + g:h",
    "y ~ g + g:h",
    "y ~ g / x1",
    "y ~ g * h * c",
    "y ~ g * h * x1",
    "y ~ 0 + g + h + g:h",
    "y ~ c",
    "y ~ C(k)",
    "y ~ C(k) * g",
    "y ~ C(g, contr.sum)",
    "y ~ C(g, contr.sum):x1 + C(g, contr.sum)",
    "y ~ C(g, contr.helmert)",
    "y ~ C(g, contr.poly)",
    "y ~ C(g, contr.treatment('v'))",
    "y ~ C(g, contr.treatment(base='w')) + x1",
    "y ~ 0 + C(g, contr.sum)",
    "y ~ C(g, levels=['w', 'v', 'u'])",
    "y ~ log(x2) + exp(x1) + sqrt(x2)",
    "y ~ np.log(x2)",
    "y ~ I(x1**2) + I(x1 * x2)",
    "y ~ I(x1 + x2):g",
    "y ~ poly(x1, 3)",
    "y ~ poly(x1, 2):x2",
    "y ~ poly(x1, 2):g",
    "y ~ bs(x1, df=5)",
    "y ~ bs(x1, df=4, degree=2) + x2",
    "y ~ bs(x1, df=4):g",
    "y ~ 0 + cr(x1, df=4)",
    "y ~ 0 + cc(x1, df=4)",
    "y ~ cr(x1, df=4, constraints='center')",
    "y ~ scale(x1) + center(x2)",
    "y ~ scale(x1):scale(x2)",
    "y ~ standardize(x1)",
    "y ~ {x1 + 1}",
    "y ~ k + k:x1 + I(k**2)",
    "log(x2) ~ x1",
    "y ~ 1",
    "y ~ x1 + x2 - x1",
    "y ~ x1 * x2 - x1:x2",
    "y ~ g %in% h + h",
]


@pytest.mark.parametrize("formula", SAME_NAMES)
def test_columns_are_formulaics_by_name_and_value(formula):
    data = table()
    expected = oracle(formula, data)
    made = columns(design(formula, data).part("covariates"))
    there = {_sorted_factors(str(k)): expected[k].to_numpy(float) for k in expected.columns}
    here = {_sorted_factors(k): v for k, v in made.items()}
    assert set(here) == set(there)
    for name, values in there.items():
        np.testing.assert_allclose(here[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


def _sorted_factors(name: str) -> str:
    """A column's name whatever the order of its factors."""
    pieces, depth, start = [], 0, 0
    for i, char in enumerate(name):
        depth += (char in "([") - (char in ")]")
        if char == ":" and depth == 0:
            pieces.append(name[start:i])
            start = i + 1
    return ":".join(sorted([*pieces, name[start:]]))


# Here the choice between equivalent codings or the names differ on purpose; the space spanned is the same.
SAME_SPACE = [
    "y ~ g:h",
    "y ~ g:h:x1",
    "y ~ h + g:h:c",
    "y ~ x1 + g:h + h:c",
    "y ~ 0 + g:x1 + h:x1 + c:h",
    "y ~ g + h:c",
    "y ~ poly(x1, 2, raw=True)",
    "y ~ C(g, contr.diff) * h",
    "y ~ b * g",
    "y ~ C(x1 > 0)",
]


@pytest.mark.parametrize("formula", [*SAME_NAMES, *SAME_SPACE])
def test_span_and_rank_are_formulaics(formula):
    data = table(200)
    expected = oracle(formula, data).to_numpy(float)
    made = design(formula, data).part("covariates").values
    rank = np.linalg.matrix_rank(expected)
    assert made.shape[1] == expected.shape[1]
    assert np.linalg.matrix_rank(made) == rank
    assert np.linalg.matrix_rank(np.hstack([made, expected])) == rank


def test_natural_spline_beside_an_intercept_has_full_rank():
    data = table()
    made = design("y ~ cr(x1, df=5) + cc(x2, df=4)", data).part("covariates").values
    assert np.linalg.matrix_rank(made) == made.shape[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.lists(
        st.lists(st.sampled_from(["x1", "x2", "g", "h", "c"]), min_size=1, max_size=3, unique=True),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_any_sum_of_products_spans_what_formulaic_spans(terms, intercept):
    formula = "y ~ " + ("" if intercept else "0 + ") + " + ".join(":".join(t) for t in terms)
    data = table(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StatinfWarning)
        made = design(formula, data).part("covariates").values
    expected = oracle(formula, data).to_numpy(float)
    rank = np.linalg.matrix_rank(expected)
    assert np.linalg.matrix_rank(made) == rank
    assert np.linalg.matrix_rank(np.hstack([made, expected])) == rank
    assert made.shape[1] == expected.shape[1]


def test_two_thousand_columns():
    import time

    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(50, 2001)), columns=["y", *(f"x{i}" for i in range(2000))])
    for formula in (
        "y ~ .",
        "y ~ " + " + ".join(f"x{i}" for i in range(2000)),
        "y ~ 0 + " + "+".join(f"log(x{i}**2)" for i in range(2000)),
    ):
        start = time.thread_time()
        d = design(formula, data)
        assert time.thread_time() - start < 2.0
        assert d.part("covariates").p >= 2000
    start = time.thread_time()
    wide = d.recipe.new_rows(data)
    assert time.thread_time() - start < 2.0 and wide.ok.all()


def test_many_levels_are_filled_without_a_dense_coding():
    n, levels = 3000, 1500
    data = pd.DataFrame({"y": np.zeros(n), "g": np.arange(n) % levels, "x": np.arange(n, dtype=float)})
    values = design("y ~ 0 + C(g) + C(g):x", data).part("covariates").values
    assert values.shape == (n, 2 * levels)
    np.testing.assert_array_equal(values[:, :levels].sum(axis=1), 1.0)
    np.testing.assert_array_equal(values[:, levels:].sum(axis=1), data["x"])


def test_a_matrix_that_no_memory_holds_is_refused():
    data = pd.DataFrame({"y": np.zeros(200_000), "id": np.arange(200_000)})
    with pytest.raises(DataError, match="the column 'id' has 200,000 levels.*cluster='id'"):
        design("y ~ C(id)", data)


def test_intercepts_can_be_taken_off_and_put_on():
    part = design("y ~ x1 + g", table()).part("covariates")
    rest = part.without_intercept()
    assert rest.names == part.names[1:] and not rest.intercept and "Intercept" not in rest.terms
    np.testing.assert_array_equal(rest.values, part.values[:, 1:])
    assert np.shares_memory(rest.values, part.values)
    back = rest.with_intercept()
    assert back.names == part.names and back.terms == part.terms
    np.testing.assert_array_equal(back.values, part.values)
    for term, where in part.terms.items():
        assert all(name.startswith(term) for name in part.names[where])


def test_terms_written_twice_or_alike_count_once():
    data = table()
    with pytest.warns(StatinfWarning, match="written more than once"):
        assert design("y ~ x1 + x1", data).part("covariates").p == 2
    assert design("y ~ I(x1**2) + I(x1 ** 2)", data).part("covariates").p == 2
    assert design("y ~ x1:x1 + x2:x1 + x1:x2", data).part("covariates").names == ("Intercept", "x1", "x2:x1")


def test_a_multiplier_scales_a_term():
    data = table()
    part = design("y ~ 3:x1 + 2:g", data).part("covariates")
    assert part.names == ("Intercept", "3:x1", "2:g[T.v]", "2:g[T.w]")
    np.testing.assert_allclose(part.values[:, 1], 3 * data["x1"])
    np.testing.assert_array_equal(part.values[:, 2], 2.0 * (data["g"] == "v"))
