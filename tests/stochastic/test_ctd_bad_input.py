import numpy as np
import pandas as pd
import pytest

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore:the cluster column 'who' has:statinf.StatinfWarning")
GRID = pd.DataFrame({"who": np.repeat(["a", "b", "c", "d"], 5), "t": np.tile(np.arange(5.0), 4)})
GRID["x"] = np.random.default_rng(0).standard_normal(20)
GRID["r"], GRID["h"] = GRID["x"] ** 2, 0.0
HOW = {"id": "who", "time": "t", "discount": 0.5}


def changed(**cells):
    """The grid with cells {column: {row: value}} changed."""
    data = GRID.copy()
    for name, values in cells.items():
        for row, value in values.items():
            data.loc[row, name] = value
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(t={7: 1.0}), r"rows 6 and 7 of episode who = 'b' have the same time, t = 1"),
        (changed(t={7: 0.5}), r"times of episode who = 'b' do not ascend: t = 0.5 in row 7 comes after 1 in row 6"),
        (GRID.iloc[:16], r"episode who = 'd' has one row"),
        (changed(t={3: np.inf}), r"time='t' is infinite in row 3"),
        (GRID.assign(t="monday"), r"time='t' holds labels"),
        (GRID.drop(columns="t"), r"'t'"),
        (GRID.drop(columns="who"), r"'who'"),
    ],
)  # fmt: skip
def test_paths_that_cannot_be_used_are_named(data, words):
    with pytest.raises(si.DataError, match=words):
        si.ctd("r ~ x", data, **HOW)


def test_payments_at_the_end_are_needed_where_asked_for():
    with pytest.raises(
        si.DataError, match=r"terminal='h' is missing or infinite at the end of episode who = 'c' \(row 14"
    ):
        si.ctd("r ~ x", changed(h={14: np.nan}), **HOW, terminal="h")
    with pytest.raises(si.DataError, match="'gone'"):
        si.ctd("r ~ x", GRID, **HOW, terminal="gone")
    with pytest.raises(si.OptionError, match="terminal="):
        si.ctd("r ~ x", GRID, **HOW, method="ml")
    with pytest.warns(si.StatinfWarning, match="the last row is missing in 1 of 4 episodes"):
        si.ctd("r ~ x", changed(x={19: np.nan}), **HOW, terminal="h", vcov="HC0")


def test_times_that_are_missing_leave_their_rows_out():
    fit = si.ctd("r ~ x", changed(t={7: np.nan}), **HOW)
    assert fit.dropped == {"t is missing": 1} and fit.nobs == 19
    assert fit.theta == pytest.approx(si.ctd("r ~ x", GRID.drop(index=7), **HOW).theta, rel=1e-12)
    with pytest.raises(si.DataError, match=r"na_action='raise'.*t is missing"):
        si.ctd("r ~ x", changed(t={7: np.nan}), **HOW, na_action="raise")
    with pytest.raises(si.DataError, match="missing in every row"):
        si.ctd("r ~ x", GRID.assign(t=np.nan), **HOW)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"discount": -0.1}, "discount="),
        ({"discount": np.nan}, "discount="),
        ({"discount": True}, "discount="),
        ({"discount": "x"}, "discount="),
        ({"terminal": np.nan}, "terminal="),
        ({"terminal": ["h"]}, "terminal="),
        ({"lam": 0.0}, "lam="),
        ({"lam": 1.2}, "lam="),
        ({"test_function": "lambda"}, "lam="),
        ({"lam": 0.5, "test_function": "relative"}, "lam="),
        ({"test_function": "td1"}, "test_function="),
        ({"discounting": "none"}, "discounting="),
        ({"method": "clstdd"}, "method="),
        ({"method": "ctd0", "burn_in": -1}, "burn_in="),
        ({"method": "ctd0", "burn_in": 1e9}, "burn_in="),
        ({"method": "ctd0", "burn_in": 1.5}, "burn_in="),
        ({"method": "ctd0", "step": 0.1}, "step="),
        ({"method": "ctd0", "update": "rows"}, "update="),
        ({"method": "ctd-lambda", "lam": 0}, "lam="),
        ({"method": "cgtd", "weighting": "none"}, "weighting="),
        ({"method": "cgtd", "test_function": "both"}, "lam="),
        ({"method": "mstde", "lam": 0.5}, "lam="),
        ({"id": 3}, "id="),
        ({"time": None}, "time="),
        ({"vcov": {"hac": -1}}, "hac"),
        ({"cluster": np.arange(20)}, "cluster="),
    ],
)  # fmt: skip
def test_options_are_refused_by_name(options, words):
    with pytest.raises(si.OptionError, match=words):
        si.ctd("r ~ x", GRID, **(HOW | options))


def test_what_is_not_identified_is_named():
    with pytest.raises(si.NotIdentifiedError, match=r"'Intercept' is not identified.*discount above zero"):
        si.ctd("r ~ x", GRID, id="who", time="t", discount=0)
    with pytest.raises(si.NotIdentifiedError, match="'x', 'z' are collinear"):
        si.ctd("r ~ x + z", GRID.assign(z=2.0 * GRID["x"]), **HOW)
    with pytest.raises(si.NotIdentifiedError, match="'s'"):
        si.ctd("r ~ 0 + s", GRID.assign(s=2.0), id="who", time="t", discount=0)
    with pytest.raises(si.FormulaError, match="offset"):
        si.ctd("r ~ x + offset(h)", GRID, **HOW)
    with pytest.raises(si.DataError, match="test_function returned"):
        si.ctd("r ~ x", GRID, **HOW, test_function=lambda x, t: x[:3])
    with pytest.raises(si.DataError, match="3 test functions for 2 features"):
        si.ctd("r ~ x", GRID, **HOW, test_function=lambda x, t: np.column_stack([x, t]))


def test_errors_by_episode_need_more_episodes_than_coefficients():
    few = GRID[GRID["who"].isin(["a", "b"])]
    with pytest.warns(si.StatinfWarning, match="2 episodes for 2 coefficients"):
        fit = si.ctd("r ~ x", few, **HOW)
    assert fit.std_errors.isna().all() and np.isfinite(fit.theta).all()
    with pytest.raises(si.NotIdentifiedError, match="2 episodes for 2 coefficients"):
        si.ctd("r ~ x", few, **HOW, vcov="episode")
    assert si.ctd("r ~ x", few, **HOW, vcov="HC0").std_errors.notna().all()
