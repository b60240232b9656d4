"""What every result answers or refuses: promised names, tables in every format, files, and fits without their rows."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

import statinf as si
from contract.promises import promise, same
from contract.verbs import DATA, METHODS, NAMES, answers_or_refuses, fitted, numbers, pandas
from statinf.results import Fit, Result, Table, Weights
from statinf.results.protocol import PROMISES
from statinf.spellings.answers import RESULTS

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.StatinfWarning"),
    pytest.mark.parametrize("method", METHODS, ids=NAMES),
]
TIDY = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
PREDICTED = {"estimate", "std_error", "conf_low", "conf_high", "lower", "upper", "pieces", "length", "set", "set_size"}
PREDICTED |= {"radius", "area"}
LONGEST_REPR = 4_000
FORMATS = ("to_text", "to_html", "to_markdown", "to_latex", "to_typst")


def test_guesses_of_names_lead_to_names_that_answer(method):
    result = fitted(method)
    known = set(dir(result))
    assert set(result.offers.split(", ")) <= known
    for guess in {name for names in RESULTS.values() for name in names.split()} - known:
        try:
            getattr(result, guess)  # a promise that this kind refuses once it is called
        except AttributeError as said:
            named = re.search(r"(?:Use|mean) '?(\w+)", str(said))
            assert named is None or named[1] in known, guess
            assert named or result.offers in str(said)
        except si.NotIdentifiedError as said:
            assert result.offers.split(", ")[0] in str(said)


def test_promised_names_answer_or_refuse(method):
    result = fitted(method)
    for name in PROMISES:
        answers_or_refuses(lambda name=name: getattr(result, name))
    for name in ("conf_int", "tidy", "glance", "augment", "to_arviz", "predict", "lean", "summary"):
        answers_or_refuses(getattr(result, name))
    calls = {
        "predict": lambda: result.predict(DATA, interval="confidence"),
        "with_vcov": lambda: result.with_vcov("HC0"),
        "test": lambda: result.test(f"{getattr(result, 'terms', ('x',))[0]} = 0"),
        "adjust": lambda: result.adjust("bh"),
        "randomization_test": lambda: result.randomization_test("t", permutations=19),
        "transform": lambda: result.transform(lambda b: {"twice": 2.0 * next(iter(b.values()))}),
        "bootstrap": lambda: result.bootstrap(replicas=20, seed=1).to_arviz(),
    }
    for call in calls.values():
        answers_or_refuses(call)
    for name in ("method", "formula", "citation", "nobs", "_repr_html_", "_repr_markdown_"):
        assert getattr(result, name) not in (None, "")
    assert result.nobs == len(DATA)


def test_a_refusal_says_what_there_is(method):
    result = fitted(method)
    for name in set(PROMISES) - {"glance"}:
        if getattr(type(result), name) is getattr(Result, name):
            with pytest.raises(si.NotIdentifiedError, match=rf"'{re.escape(result.method)}' has no .*offers"):
                getattr(result, name)()
    with pytest.raises(AttributeError, match="no attribute"):
        _ = result.nonsense
    with pytest.raises(AttributeError):
        result.formula = "y ~ 1"


def test_tables_have_the_columns_of_the_contract(method):
    result = fitted(method)
    table = answers_or_refuses(result.tidy)
    if isinstance(result, Fit):
        assert [c for c in pandas(table).columns if c not in ("tau", "outcome")] == TIDY
        assert isinstance(result.params, pd.Series) and list(result.params.index) == list(result.terms)
        assert list(result.vcov.index) == list(result.vcov.columns) == list(result.terms)
        assert list(result.conf_int().columns) == ["conf_low", "conf_high"]
    predicted = answers_or_refuses(lambda: result.predict(DATA))
    if predicted is not None:
        names = set(pandas(predicted).columns) - set(map(str, getattr(result, "levels", ())))
        names -= {f"{end}_{name}" for name in getattr(result, "outcomes", ()) for end in ("lower", "upper")}
        assert names <= PREDICTED or all(n.startswith(("q0.", "e0.")) for n in names)
        assert len(predicted) == len(DATA)
    assert pandas(result.glance()).shape[0] == 1


def test_summaries_in_every_format(method):
    result = fitted(method)
    table = result.summary()
    assert isinstance(table, Table) and repr(result) == table.to_text()
    for name in FORMATS:
        text = getattr(table, name)()
        assert isinstance(text, str) and len(text) > 50 and "statinf.results" not in text and "object at" not in text
    assert method.citation.split(",")[0].split(" (")[0] in table.to_text()


def test_fits_stand_side_by_side_in_every_format(method):
    result = fitted(method)
    if isinstance(result, Fit) or hasattr(result, "balance_frame"):
        table = si.table(result, result)
        for name in FORMATS:
            assert len(getattr(table, name)()) > 50
        if isinstance(result, Fit):
            # Coefficients of a class or a level stand below its name.
            assert {pandas(result.tidy())["term"][i] for i in range(len(result.terms))} <= {
                row[0] for row in table.rows
            }
    else:
        with pytest.raises(si.OptionError):
            si.table(result)


def test_files_and_pickles_keep_what_they_promise(method, tmp_path):
    result = fitted(method)
    with promise(method, "save"):
        read = si.load(result.save(tmp_path / "result.si"))
        pickled = pickle.loads(pickle.dumps(result))
        for again in (read, pickled, si.load(read.save(tmp_path / "again.si"))):
            same(numbers(again), numbers(result))
            assert type(again) is type(result)
            assert again.summary().columns == result.summary().columns
            assert again.summary().rows == result.summary().rows
            assert (again.nobs, again.formula, again.citation) == (result.nobs, result.formula, result.citation)
            assert dict(again.dropped) == dict(result.dropped)
            for name in PROMISES:
                answers_or_refuses(lambda name=name, again=again: getattr(again, name))


def test_a_lean_result_keeps_what_needs_no_rows(method):
    result = fitted(method)
    lean = answers_or_refuses(result.lean)
    if lean is None:
        return
    found, first = numbers(lean), numbers(result)
    # Learners that files leave out go with the rows, and with them what they predict.
    partly = "save" in method.traits or method.verb == "quantile_ensemble"
    same(found, {k: first[k] for k in found} if partly else first)
    assert lean.summary().rows == result.summary().rows
    assert lean.lean().summary().rows == lean.summary().rows
    if not isinstance(result, Fit):
        return
    pd.testing.assert_frame_equal(pandas(lean.tidy()), pandas(result.tidy()))
    pd.testing.assert_frame_equal(lean.conf_int(0.8), result.conf_int(0.8))
    for kind in type(result).vcov_kinds.names:
        full = answers_or_refuses(lambda kind=kind: result.with_vcov(kind))
        if full is not None:
            np.testing.assert_allclose(lean.with_vcov(kind).cov.matrix, full.cov.matrix, rtol=1e-12)
    for call in (lambda: lean.with_vcov({"cluster": "v"}), lean.augment, lambda: lean.influence, lean.predict):
        answers_or_refuses(call)


def test_what_weights_offer(method):
    result = fitted(method)
    if isinstance(result, Weights):
        assert result.values.shape == result.used.shape == (len(DATA),)
        assert np.isfinite(result.values).all() and (result.values >= 0).all() and 0 < result.ess <= len(DATA)
        fit = si.lm("y ~ t", DATA, weights=result)
        assert np.isfinite(fit.std_errors).all()
        for call in (result.diagnostics, lambda: result.score(DATA), result.plot):
            answers_or_refuses(call)


def test_no_attribute_prints_its_arrays(method):
    result = fitted(method)
    assert len(repr(result)) < LONGEST_REPR
    for name in {*dir(type(result)), *vars(result)}:
        value = None if name.startswith("_") else answers_or_refuses(lambda name=name: getattr(result, name))
        parts = value.values() if isinstance(value, Mapping) else [value]
        for part in parts:
            if not isinstance(part, np.ndarray | pd.DataFrame | pd.Series | Fit) and not inspect.ismethod(part):
                assert len(repr(part)) < LONGEST_REPR, name
