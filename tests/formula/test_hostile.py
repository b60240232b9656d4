"""Formulas from a stranger: nothing runs, each ends in a `FormulaError` within a second, nothing else is raised."""

from __future__ import annotations

import gc
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from formula.hostile_code import CODE
from formula.hostile_shapes import EXPANSIONS, HARMLESS, LEGAL, MEGABYTE, shapes
from statinf.errors import FormulaError
from statinf.formula import design

MARK = "STATINF_HOSTILE_MARK"


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 2, size=n),
            "i": np.arange(n),
            "g": rng.choice(["a", "b", "c"], size=n),
            "__class__": rng.normal(size=n),
            "os.system('true')": rng.normal(size=n),
        }
    )


PLACES = ["y ~ {}", "y ~ x + I({})", "{} ~ x", "y ~ z:{}", "y ~ x | {}", "y ~ log({}) + z"]


def attempt(formula: object, data: pd.DataFrame, roles: tuple[str, ...] = ("a", "b")) -> BaseException | None:
    raised: BaseException | None = None
    # The thread's own time, without collecting what other tests left; a busy machine doubles it, for want of cache.
    gc.disable()
    start = time.thread_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            design(formula, data, roles=roles)  # type: ignore[arg-type]
        except BaseException as error:
            raised = error
    spent = time.thread_time() - start
    gc.enable()
    assert spent < 2.0, f"{str(formula)[:60]!r} took too long"
    return raised


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    """No file appears, the environment and the modules stay as they were, and no data changes."""
    monkeypatch.chdir(tmp_path)
    environment, modules = dict(os.environ), set(sys.modules)
    yield
    assert list(tmp_path.iterdir()) == []
    assert {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} == {
        k: v for k, v in environment.items() if k != "PYTEST_CURRENT_TEST"
    }
    assert not {"subprocess_evil", "this", "antigravity"} & (set(sys.modules) - modules)


def test_there_are_enough_of_them():
    assert len(set(CODE)) >= 300


@pytest.mark.parametrize("code", list(dict.fromkeys(CODE)), ids=lambda c: ascii(c)[1:50])
def test_nothing_hostile_runs_or_passes(code, tmp_path):
    code = code.replace("SENTINEL", str(tmp_path / "sentinel")).replace("MARK", MARK)
    data = table()
    before = data.copy(deep=True)
    raised = attempt("y ~ " + code, data, roles=("a",))
    assert isinstance(raised, FormulaError), f"{code!r}: {raised!r}"
    assert len(str(raised)) < 2_000
    pd.testing.assert_frame_equal(data, before)


def test_nothing_hostile_runs_anywhere_in_a_formula(tmp_path):
    """In other places some of the code is legal; what matters is that nothing runs and nothing else is raised."""
    from statinf.errors import StatinfError

    data = table()
    before = data.copy(deep=True)
    for code in dict.fromkeys(CODE):
        code = code.replace("SENTINEL", str(tmp_path / "sentinel")).replace("MARK", MARK)
        for place in PLACES[1:]:
            raised = attempt(place.replace("{}", code), data)
            assert raised is None or isinstance(raised, StatinfError), f"{place} with {code!r}: {raised!r}"
    pd.testing.assert_frame_equal(data, before)
    assert MARK not in os.environ


@pytest.mark.parametrize("shape", list(shapes(100)))
@pytest.mark.parametrize("size", [MEGABYTE, 99_000, 2_000, 300])
def test_large_formulas_end_quickly(shape, size):
    raised = attempt(shapes(size)[shape], table(), roles=("a",))
    harmless = size < MEGABYTE and raised is None and shape in HARMLESS
    assert harmless or isinstance(raised, FormulaError), f"{raised!r}"


@pytest.mark.parametrize("number", range(len(EXPANSIONS)))
def test_expansions_are_refused_before_they_grow(number):
    raised = attempt(EXPANSIONS[number], table(), roles=("a",))
    assert isinstance(raised, FormulaError), f"{raised!r}"


def test_random_text_is_read_or_refused():
    from statinf.errors import StatinfError

    rng = np.random.default_rng(11)
    pieces = [
        *"xyzig+-*:/^|~()[]{}`'\",.=<>!@#%&;\\\n\t 0129",
        *(
            "log(",
            "C(",
            "poly(",
            "bs(",
            "I(",
            "Q('x')",
            "offset(",
            "**",
            "%in%",
            "contr.sum",
            "in",
            "not",
            "lambda",
            "__class__",
            "'a'",
            "1e9",
        ),
    ]
    data = table()
    for _ in range(3_000):
        text = "".join(rng.choice(pieces, size=rng.integers(1, 14)))
        for formula in (text, "y ~ " + text):
            raised = attempt(formula, data, roles=("a", "b", "c"))
            assert raised is None or isinstance(raised, StatinfError), f"{formula!r}: {raised!r}"


@pytest.mark.parametrize(
    "formula",
    [None, 3, b"y ~ x", ["y ~ x"], ("y", "x"), {"y": "x"}, lambda: "y ~ x", np.nan, Path("y ~ x"), "", " ", "\n"],
)
def test_what_is_no_formula(formula):
    assert isinstance(attempt(formula, table()), FormulaError)


def test_context_is_not_taken_from_the_caller():
    secret = np.arange(60.0)  # noqa: F841
    evil = print  # noqa: F841
    for formula in ("y ~ secret", "y ~ evil(x)", "y ~ I(x + secret)", "y ~ table(x)", "y ~ attempt(x)"):
        assert isinstance(attempt(formula, table()), FormulaError)


def test_deep_formulas_do_not_overflow_a_deep_stack():
    def at_depth(n: int) -> BaseException | None:
        return at_depth(n - 1) if n else attempt("y ~ I(" + "-(" * 30 + "x" + ")" * 30 + ")", table())

    assert at_depth(0) is None
    raised = at_depth(sys.getrecursionlimit() - 300)
    assert raised is None or isinstance(raised, FormulaError)


@pytest.mark.parametrize("formula", LEGAL)
def test_legal_formulas_stay_legal(formula):
    data = table()
    before = data.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d = design(formula, data, roles=("a", "b"), response="any")
        again = d.recipe.new_rows(data.iloc[:7])
    assert all(np.isfinite(part.values).all() for part in d.parts)
    np.testing.assert_allclose(again.part("a").values, d.part("a").values[:7], rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(data, before)
