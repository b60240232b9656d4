"""Means of a target population on tables in blocks are those of rows in memory, with their stacked errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import statinf as si
from shifts.block_tables import in_blocks, same_fit, two
from statinf.errors import DataError, NotIdentifiedError, OptionError

FORMULA = "y ~ x + z + g"
MARGINS = {"x": 0.3, "g": {"a": 0.2, "b": 0.4, "c": 0.3, "d": 0.1}}
pytestmark = pytest.mark.filterwarnings("ignore:.*effective sample size:UserWarning")


def both(source: Any, target: Any, formula: str = FORMULA, **options: Any) -> tuple[Any, Any]:
    return si.target_mean(formula, source, target, **options), si.target_mean(
        formula, *in_blocks(source, target), **options
    )


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("aipw", {"weights": "s", "target_weights": "s"}),
        ("aipw", {"cluster": "firm", "formula": "b ~ x + g", "family": "binomial", "ratio_formula": "~ x + z"}),
        ("ipw", {"cluster": ["firm", "team"]}),
        ("ipw", {"ratio": "moment", "ratio_formula": "~ x", "normalize": False}),
        ("aipw", {"weights": "s", "target_weights": "s", "normalize": False}),
        ("ipw", {"normalize": False}),
        ("gcomp", {"formula": "b ~ x + offset(z - 1e5)", "family": "binomial"}),
    ],
)
def test_means_and_stacked_errors(method: str, options: dict[str, Any]) -> None:
    here, there = both(*two(), method=method, **options)
    same_fit(here, there)
    assert there.target_rows == here.target_rows and dict(there.dropped) == dict(here.dropped)
    np.testing.assert_allclose([there.parts[k] for k in here.parts], list(here.parts.values()), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(there.ess, here.ess, rtol=1e-9)
    assert "passes over 1200 rows" in str(there.summary())
    if "cluster" in options:
        same_fit(here.with_vcov("HC0"), there.with_vcov("HC0"))


def test_known_margins() -> None:
    source, _ = two()
    for method in ("aipw", "ipw"):
        here, there = both(source, MARGINS, "y ~ x + g", method=method)
        same_fit(here, there)
    with pytest.raises(NotIdentifiedError, match="known margins do not determine"):
        both(source, MARGINS, "b ~ x + g", family="binomial")[1]


def test_given_ratio_moves_with_rows_that_the_mean_lacks() -> None:
    source, target = two()
    ratio, held = si.density_ratio("~ x", source, target), si.density_ratio("~ x", *in_blocks(source, target))
    here = si.target_mean(FORMULA, source, target, ratio=ratio)
    there = si.target_mean(FORMULA, *in_blocks(source, target), ratio=held)
    same_fit(here, there)
    # As one system: the ratio's equation on all rows, the mean's on those with an outcome.
    alone = si.target_mean("y ~ x", source, target, ratio=ratio, method="ipw")
    kept = source.index[source.y.notna()]
    w, score = ratio.values, source.y[kept].to_numpy() - alone.theta[0]
    total = w[kept].sum()
    pull = (ratio.derivative[kept] * score[:, None]).sum(axis=0) / total
    own = ratio.influence @ pull
    own[kept] += w[kept] * score / total
    variance = (own**2).sum() + ((ratio.other_influence @ pull) ** 2).sum()
    np.testing.assert_allclose(alone.std_errors["mean"] ** 2, variance, rtol=1e-10)


def test_refusals() -> None:
    source, target = two()
    pair = in_blocks(source, target)
    ratio = si.density_ratio("~ x", *pair)
    for options, match in (
        ({"method": "mrp", "formula": "y ~ x | C(g)"}, "aipw, ipw, gcomp"),
        ({"ratio": "kmm"}, "logistic, moment"),
        ({"ratio": np.ones(len(source))}, "as the name of a method"),
        ({"ratio": si.density_ratio("~ x", source, target)}, "of the same tables in blocks"),
        ({"weights": "s", "ratio": ratio}, "exclude each other"),
    ):
        with pytest.raises(OptionError, match=match):
            si.target_mean(options.pop("formula", "y ~ x"), *pair, **options)
    with pytest.raises(DataError, match="target of 500 rows, this one has 400"):
        si.target_mean("y ~ x", pair[0], target.iloc[:400], ratio=ratio)
    with pytest.raises(DataError, match="source of 1200 rows"):
        si.target_mean("y ~ x", si.blocks(source.iloc[:900]), target, ratio=ratio)
    with pytest.raises(DataError, match="known margins; make it"):
        si.target_mean("y ~ x", pair[0], {"x": 0.3}, ratio=ratio)
    with pytest.raises(DataError, match="the ratio has no weight for"):
        si.target_mean("y ~ x", *pair, ratio=si.density_ratio("~ z", *pair))
