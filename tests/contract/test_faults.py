"""Data that nothing can be learnt from end in one of the package's exceptions, or in a right answer."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import statinf as si
from contract.verbs import DATA, EXAMPLES, METHODS, NAMES, TARGET, N, answers_or_refuses, call, numbers, reads
from statinf.results import Fit

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.StatinfWarning"),
    pytest.mark.parametrize("method", METHODS, ids=NAMES),
]
FAULTS = {
    "no rows": lambda d, outcome: d.iloc[:0],
    "one row": lambda d, outcome: d.iloc[:1],
    "two rows": lambda d, outcome: d.iloc[:2],
    "constant outcome": lambda d, outcome: d.assign(**{outcome: 1.0}),
    "constant covariate": lambda d, outcome: d.assign(x=3.0),
    "the same column twice": lambda d, outcome: d.assign(z=d["x"]),
    "missing outcome": lambda d, outcome: d.assign(**{outcome: np.nan}),
    "huge": lambda d, outcome: d.assign(y=d["y"] * 1e150),
    "tiny": lambda d, outcome: d.assign(y=d["y"] * 1e-150),
    "text": lambda d, outcome: d.assign(x="a"),
    "column gone": lambda d, outcome: d.drop(columns=[outcome]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_in_the_packages_exceptions(method, fault):
    data = FAULTS[fault](DATA, reads(method)[0])
    result = answers_or_refuses(lambda: call(method, data))
    if result is not None:
        assert str(result) and answers_or_refuses(lambda: numbers(result, data)) != {}
        answers_or_refuses(result.lean)


@pytest.mark.parametrize("rows", ["source", "target"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused_by_column(method, value, rows):
    at = np.arange(N) == 3
    # A verb that reads no covariate has its outcome to look at.
    outcome, covariate = reads(method)
    column = "t" if covariate == "t" else "x" if "x" in (outcome, covariate) else outcome
    data = DATA.assign(**{column: np.where(at, value, DATA[column])}) if rows == "source" else DATA
    target = TARGET.assign(x=np.where(at[: len(TARGET)], value, TARGET["x"])) if rows == "target" else TARGET
    if rows == "target" and EXAMPLES[method.verb].samples == 1:
        pytest.skip("one sample")
    with pytest.raises(si.DataError, match=rf"\b{column}\b.*infinite|infinite.*\b{column}\b"):
        call(method, data, target)


def test_new_rows_that_cannot_be_predicted_are_missing(method):
    result = call(method)
    new = DATA.iloc[:6].copy()
    new.loc[1, "x"], new.loc[2, "z"] = np.nan, np.inf
    table = answers_or_refuses(lambda: result.predict(new))
    if table is None:
        return
    found = numbers(result, new)
    usable = [0, 3, 4, 5] if "z" in result.formula else [0, 2, 3, 4, 5]
    for name, values in found.items():
        if name.startswith("per row") and not name.endswith(("pieces", "weight", "score")):
            assert np.isnan(values[1]) and np.isfinite(values[usable]).all(), name
    empty = result.predict(new.iloc[:0])
    assert len(empty) == 0 and list(empty.columns) == list(table.columns)
    with pytest.raises(si.DataError, match="'x'"):
        result.predict(new.drop(columns="x"))


def test_nothing_but_the_packages_warnings(method):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(method)
        str(result)
        numbers(result)
    assert all(issubclass(w.category, si.StatinfWarning) for w in caught)


def test_options_of_every_verb_are_checked_before_rows(method):
    nothing = DATA.iloc[:0]
    shared = {"seed": "x", "na_action": "nonsense", "vcov": "nonsense", "level": 1.5, "estimand": "nonsense"}
    takes = inspect.signature(getattr(si, method.verb)).parameters
    for name, bad in shared.items():
        if name in takes and not (method.verb == "conformal" and name == "level"):
            with pytest.raises(si.OptionError, match=name):
                call(method, nothing, **{name: bad})


def test_an_exact_fit_has_no_error(method):
    if method.verb not in ("lm", "rq", "lsa", "shift"):
        pytest.skip("no exact fit")
    data = DATA.assign(y=1.0 + 2.0 * DATA["x"] - DATA["z"])
    target = TARGET.assign(y=0.0)
    result = answers_or_refuses(lambda: call(method, data, target))
    if isinstance(result, Fit):
        np.testing.assert_allclose(result.params[["Intercept", "x", "z"]], [1.0, 2.0, -1.0], rtol=1e-8)
