"""From a formula and a frame of paths to the problem that every method of `si.ctd` gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, OptionError, StatinfWarning, issue_warning
from statinf.formula.columns import Numeric
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.formula.subset import subset
from statinf.inference.vcov import VcovSpec
from statinf.stochastic.continuous.paths import Paths
from statinf.stochastic.continuous.problem import CtdProblem


@dataclass(frozen=True, kw_only=True)
class CtdQuestion:
    """What `ctd` is asked, beside the formula.

    Attributes
    ----------
    id : str or None
    time : str
    terminal : str, float or None
    discount : float
    seed : int
    """

    id: str | None
    time: str
    terminal: str | float | None
    discount: float
    seed: int


def ctd_problem(
    formula: str,
    data: Any,
    asked: CtdQuestion,
    *,
    spec: VcovSpec,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> CtdProblem:
    """Read `reward ~ features` of states along paths.

    Raises
    ------
    DataError
        If times within an episode do not ascend, an episode has one row, or lacks what is paid at its end.
    """
    columns = [name for name in (asked.id, asked.time, asked.terminal) if isinstance(name, str)]
    own = [asked.id] if asked.id is not None else []
    made = design(
        formula, data, cluster=list(dict.fromkeys([*spec.clusters, *own])) or None, na_action=na_action, context=context
    )
    for name in columns:
        made.frame.require(name)
    named = {f"cluster {name} is missing": f"{name} is missing" for name in own if name not in spec.clusters}
    made = replace(made, dropped={named.get(cause, cause): count for cause, count in made.dropped.items()})
    if made.offset is not None:
        raise FormulaError("offset() has no meaning for values of states; leave it out.")
    made = _timed(made, asked.time, na_action)
    check_sizes(made)
    episode = np.zeros(made.n, np.intp) if asked.id is None else made.clusters[asked.id]
    time = _numbers(made, asked.time, "time")[made.rows]
    order = _grouped(episode)
    if order is not None:
        episode, time = episode[order], time[order]
    _check_times(made, order, episode, time, asked)
    values, reward = made.parts[0].values, made.y
    paths = Paths(
        x=values if order is None else values[order],
        reward=reward if order is None else reward[order],
        time=time,
        episode=episode,
        terminal=_terminal(made, order, episode, asked),
        discount=asked.discount,
    )
    return CtdProblem(
        design=made,
        paths=paths,
        order=order,
        names=made.parts[0].names,
        id=asked.id or "",
        time=asked.time,
        seed=asked.seed,
    )


def _numbers(made: Design, name: str, option: str) -> np.ndarray:
    """A column of numbers on all rows of the frame, shape (n_total,)."""
    column = made.frame.column(name)
    if not isinstance(column, Numeric):
        raise DataError(f"{option}='{name}' holds labels; give numbers, such as years since the start.")
    return np.asarray(column.values, np.float64)


def _timed(made: Design, name: str, na_action: str) -> Design:
    """The rows whose time is known."""
    at = _numbers(made, name, "time")[made.rows]
    lost = np.isnan(at)
    if np.isinf(at).any():
        raise DataError(f"time='{name}' is infinite in row {int(made.rows[np.argmax(np.isinf(at))])}.")
    if not lost.any():
        return made
    if na_action == "raise":
        first = int(made.rows[np.argmax(lost)])
        raise DataError(
            f"na_action='raise' and rows cannot be used (first: {first}): {int(lost.sum())} rows: {name} is missing."
        )
    if lost.all():
        raise DataError(f"time='{name}' is missing in every row that could be used.")
    return replace(subset(made, ~lost), dropped={**made.dropped, f"{name} is missing": int(lost.sum())})


def _grouped(episode: np.ndarray) -> np.ndarray | None:
    """Rows by episode, in their order within each; None where episodes lie side by side already."""
    changes = int(np.count_nonzero(episode[1:] != episode[:-1]))
    return None if changes == int(episode.max()) else np.argsort(episode, kind="stable")


def _shown(made: Design, row: int, asked: CtdQuestion) -> str:
    """The episode of a row of the design, for messages."""
    if asked.id is None:
        return "the path"
    label = made.column(asked.id)[row]
    shown = f"{label:.10g}" if isinstance(label, float) else repr(label)
    return f"episode {asked.id} = {shown}"


def _check_times(
    made: Design, order: np.ndarray | None, episode: np.ndarray, time: np.ndarray, asked: CtdQuestion
) -> None:
    """Refuse times that do not ascend within an episode, and episodes of one row."""
    place = np.arange(len(time)) if order is None else order
    same = episode[1:] == episode[:-1]
    wrong = np.flatnonzero(same & (time[1:] <= time[:-1]))
    if len(wrong):
        k = int(wrong[0])
        before, after = (int(made.rows[place[k + i]]) for i in (0, 1))
        where = _shown(made, int(place[k]), asked)
        if time[k] == time[k + 1]:
            raise DataError(f"rows {before} and {after} of {where} have the same time, {asked.time} = {time[k]:.10g}.")
        raise DataError(
            f"times of {where} do not ascend: {asked.time} = {time[k + 1]:.10g} in row {after} comes after {time[k]:.10g} in row "
            f"{before}. Sort the rows by time within each episode"
            + ("." if asked.id else ", or give id= if there are several episodes.")
        )
    alone = ~np.append(False, same) & ~np.append(same, False)
    if alone.any():
        row = int(place[np.argmax(alone)])
        raise DataError(
            f"{_shown(made, row, asked)} has one row that can be used (row {int(made.rows[row])}), and values need the next one "
            "too; leave it out."
        )


def _terminal(made: Design, order: np.ndarray | None, episode: np.ndarray, asked: CtdQuestion) -> np.ndarray | None:
    """What is paid at the last row of each episode, zero elsewhere."""
    if asked.terminal is None:
        return None
    last = np.append(episode[1:] != episode[:-1], True)
    out = np.zeros(len(episode))
    if not isinstance(asked.terminal, str):
        out[last] = asked.terminal
        return out
    rows = (made.rows if order is None else made.rows[order])[last]
    paid = _numbers(made, asked.terminal, "terminal")[rows]
    bad = ~np.isfinite(paid)
    if bad.any():
        k = int(np.argmax(bad))
        place = np.flatnonzero(last)[k]
        where = _shown(made, int(place if order is None else order[place]), asked)
        raise DataError(
            f"terminal='{asked.terminal}' is missing or infinite at the end of {where} (row {int(rows[k])}, the last that can be "
            "used). If rows after it were left out because the reward is missing there, put a number: it is not used."
        )
    if made.dropped:
        _warn_cut(made, rows, asked)
    out[last] = paid
    return out


def _warn_cut(made: Design, ends: np.ndarray, asked: CtdQuestion) -> None:
    """Say how many episodes end before their last row, because it was left out; `ends` are the last rows used."""
    codes = np.zeros(made.n_total, np.intp) if asked.id is None else made.frame.categories(asked.id).codes
    time = _numbers(made, asked.time, "time")
    end = np.full(int(codes.max()) + 1, np.inf)
    end[codes[ends]] = time[ends]
    cut = np.unique(codes[(codes >= 0) & (time > end[codes])])
    if len(cut):
        issue_warning(
            f"the last row is missing in {len(cut)} of {len(ends)} episodes: terminal='{asked.terminal}' is read at the last row "
            "used, where the path is taken to end.",
            StatinfWarning,
        )


def check_discount(discount: Any) -> float:
    """A finite rate of zero or more."""
    good = isinstance(discount, int | float | np.number) and not isinstance(discount, bool | np.bool_)
    if not (good and 0.0 <= discount < np.inf):
        raise OptionError(
            f"discount={discount!r} is not a rate per unit of time, a finite number of zero or more: rewards after t count "
            "exp(-discount * t). A factor g per unit of time is the rate -log(g)."
        )
    return float(discount)


def check_terminal(terminal: Any) -> str | float | None:
    """A column, a finite number, or None."""
    if terminal is None or isinstance(terminal, str):
        return terminal
    good = isinstance(terminal, int | float | np.number) and not isinstance(terminal, bool | np.bool_)
    if not (good and -np.inf < terminal < np.inf):
        raise OptionError(
            f"terminal={terminal!r} is not the column of what is paid at the end, a number such as 0, or None for paths that go on."
        )
    return float(terminal)
