"""Every method of every table keeps the promises of the contract, or its record says which it cannot and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from contract.verbs import METHODS, NAMES, N, call, numbers, refuses, sample
from statinf.results import Fit, Weights
from statinf.results.protocol import PROMISES

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.StatinfWarning"),
    pytest.mark.parametrize("method", METHODS, ids=NAMES),
]
DATA = sample()
ROWS = ("balance", "density_ratio")
"""Verbs whose numbers are one per row of the data."""


def promised(method, promise):
    if promise in method.traits:
        pytest.skip(f"{promise}: {method.traits[promise]}")


def test_an_unknown_option_is_refused_before_any_row_is_read(method):
    with pytest.raises(si.OptionError, match="nonsense"):
        call(method, DATA.iloc[:0], nonsense=3)


def test_an_option_out_of_its_range_is_refused(method):
    for name, (_, default) in method.options.rules().items():
        if isinstance(default, bool | int | float):
            with pytest.raises(si.OptionError, match=name):
                call(method, DATA, **{name: object()})


def test_every_kind_of_frame_gives_the_same_numbers(method):
    first = numbers(call(method, DATA), DATA)
    for frame in (pl.from_pandas(DATA), pa.Table.from_pandas(DATA, preserve_index=False)):
        np.testing.assert_array_equal(numbers(call(method, frame), frame), first)


def test_the_order_of_rows_does_not_matter(method):
    promised(method, "row order")
    if method.verb == "lsa":
        pytest.skip("a stream is read in its order")
    order = np.random.default_rng(0).permutation(N)
    mixed = DATA.iloc[order]
    first, second = numbers(call(method, DATA), DATA), numbers(call(method, mixed), mixed)
    if len(first) == N or method.verb == "conformal":
        first = np.concatenate([part[order] for part in np.split(first, len(first) // N)])
    scale = np.nanmax(np.abs(first))
    np.testing.assert_allclose(second, first, rtol=1e-6, atol=1e-6 * scale)


def test_the_same_call_gives_the_same_numbers(method):
    np.testing.assert_array_equal(numbers(call(method, DATA), DATA), numbers(call(method, DATA), DATA))


def test_promised_names_answer_or_refuse(method):
    result = call(method, DATA)
    for name in PROMISES:
        assert refuses(lambda name=name: getattr(result, name))
    for name in ("conf_int", "tidy", "glance", "to_arviz"):
        assert refuses(getattr(result, name))
    for name in ("method", "formula", "citation", "nobs"):
        assert getattr(result, name) not in (None, "")
    with pytest.raises(AttributeError, match="no attribute"):
        _ = result.nonsense


def test_tables_in_every_format(method):
    table = call(method, DATA).summary()
    for text in (table.to_text(), table.to_html(), table.to_markdown(), table.to_latex(), table.to_typst()):
        assert isinstance(text, str) and len(text) > 50


def test_saved_and_read_again(method, tmp_path):
    promised(method, "save")
    result = call(method, DATA)
    same = si.load(result.save(tmp_path / "result.si"))
    np.testing.assert_array_equal(numbers(same, DATA), numbers(result, DATA))


def test_predictions_carry_the_index(method):
    labelled = DATA.set_axis([f"r{i}" for i in np.random.default_rng(1).permutation(N)], axis=0)
    result = call(method, labelled)
    if not isinstance(result, Weights) and refuses(lambda: result.predict(labelled)):
        try:
            table = result.predict(labelled)
        except si.StatinfError:
            return
        assert isinstance(table, pd.DataFrame) and table.index.equals(labelled.index)


@pytest.mark.parametrize("fault", ["no rows", "one row", "constant outcome", "infinite", "huge", "tiny"])
def test_faults_end_in_the_packages_exceptions(method, fault):
    column = "x" if method.verb == "density_ratio" else "t" if method.verb in ("balance", "glm") else "y"
    data = {
        "no rows": DATA.iloc[:0],
        "one row": DATA.iloc[:1],
        "constant outcome": DATA.assign(**{column: 1.0}),
        "infinite": DATA.assign(x=np.where(np.arange(N) == 3, np.inf, DATA["x"])),
        "huge": DATA.assign(y=DATA["y"] * 1e150),
        "tiny": DATA.assign(y=DATA["y"] * 1e-150),
    }[fault]
    assert refuses(lambda: str(call(method, data)))


def test_the_record_documents_itself(method):
    verb = getattr(si, method.verb)
    assert method.citation and method.summary
    for name, (rule, _) in method.options.rules().items():
        assert rule.meaning and rule.accepts and f"{name} = " in (verb.__doc__ or "")


def test_a_fit_has_a_covariance(method):
    result = call(method, DATA)
    if isinstance(result, Fit):
        assert result.cov.matrix.shape == (int(result.estimable.sum()),) * 2 and result.cov.label
