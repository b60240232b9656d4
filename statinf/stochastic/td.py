"""Temporal-difference learning with linear features, averaged, with confidence intervals for the values.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644 (independent transitions); Samsonov, Sheshukova,
Moulines & Naumov (2025), arXiv 2505.19102, and Newey & West (1987) (one trajectory).

The estimand is the root of E e (r + discount phi'theta - phi'theta) = 0, with e the eligibility trace: the projected
value function, the value function itself where the features span it. The mean matrix is stable on policy; off policy
it need not be, and then the run stops with an error that names LSTD.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, NumericalWarning, OptionError, one_of
from statinf.formula import as_frame
from statinf.stochastic.fit import fit_of
from statinf.stochastic.next_columns import next_columns, wanted_columns
from statinf.stochastic.options import Options
from statinf.stochastic.readers import Block, TransitionReader
from statinf.stochastic.run import Meter, Run, add_counts
from statinf.stochastic.state import Rows, State
from statinf.stochastic.stream import begin, open_source
from statinf.stochastic.tuning import pilot_size, pilot_values, tune


def td(
    formula: str,
    data: Any,
    *,
    next: Any = None,
    discount: float,
    trace: float = 0.0,
    rho: str | None = None,
    id: str | None = None,
    terminal: str | None = None,
    sampling: str = "iid",
    method: str = "td",
    replicas: int = 1000,
    step: Mapping[str, float] | None = None,
    burn_in: float | int | None = None,
    weights_law: str = "mammen",
    inference: str | Sequence[str] | None = None,
    ci: str = "symmetric",
    replica_start: str = "origin",
    block_len: int = 1,
    lags: int | None = None,
    start: Any = None,
    levels: Mapping[str, Sequence[Any]] | None = None,
    expected_rows: int | None = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Any:
    """Values of states from transitions: TD(0), TD(lambda), off-policy TD and LSTD.

    Parameters
    ----------
    formula : str
        `reward ~ features of the state`; `reward ~ 0 + C(state)` for a table of values.
    data : table or stream
        One row a transition; a stream as `si.lsa` takes it.
    next : str, sequence of str or mapping, optional
        Columns of the next state: one name where the features use one column, names in the order of the formula's
        columns, a pattern such as "next_{}", or a mapping from column to next column. None: the next row of the same
        episode.
    discount : float
        In [0, 1).
    trace : float
        Lambda of TD(lambda), in [0, 1].
    rho : str, optional
        Column of importance ratios of the target policy to the behaviour policy.
    id : str, optional
        Column of episodes, whose rows lie side by side.
    terminal : str, optional
        Column that is 1 where the episode ends: the next state has value zero.
    sampling : {"iid", "markov"}
        Independent transitions, or rows along trajectories.
    method : {"td", "lstd"}
        "lstd" solves the same equation in one batch.
    inference : str or sequence of str, optional
        As for `si.lsa`; "multiplier" for independent rows and "hac" along trajectories by default.
    lags : int, optional
        Lags of "hac"; they never cross from one episode to the next.
    start : array, shape (q,), optional
        First iterate; a damped LSTD solution of the first rows by default, zero if `step` gives c0.
    replicas, step, burn_in, weights_law, ci, replica_start, block_len, levels
        As for `si.lsa`; nothing is preconditioned.
    expected_rows, na_action, context, seed, progress
        As for `si.lsa`.

    Returns
    -------
    StochasticFit or LstdFit
        `predict(states, interval="confidence")` gives values.

    Raises
    ------
    NotIdentifiedError
        If the mean matrix has an eigenvalue with a negative real part, or the features are collinear.
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used.

    Examples
    --------
    >>> import statinf as si
    >>> moves = si.datasets.simulate("garnet", 20_000, seed=1)
    >>> fit = si.td("reward ~ 0 + C(state)", moves, next="next_state", discount=0.9, replicas=200)
    >>> truth = moves.attrs["truth"]["value"]
    >>> bool((abs(fit.theta - truth) < 4 * fit.std_errors).all())
    True
    """
    _check(discount, trace, sampling, method, block_len)
    options = Options(
        replicas=replicas, weights_law=weights_law, inference=_inference(inference, sampling), ci=ci,
        replica_start=replica_start, block_len=block_len, lags=lags, na_action=na_action, expected_rows=expected_rows,
        seed=seed,
    )  # fmt: skip
    named = [c for c in (rho, id, terminal) if c is not None]
    source = open_source(data, wanted_columns(formula, named, next))
    opening = begin(formula, source, levels=levels, expected=expected_rows, na_action=na_action, context=context)
    if opening.design.offset is not None:
        raise FormulaError("offset() has no meaning for values of states; leave it out.")
    terms = opening.recipe.parts[0].layout.names
    reader = TransitionReader(
        recipe=opening.recipe, discount=discount, trace=trace, following=next_columns(next, opening.design), ratio=rho,
        episode=id, terminal=terminal,
    )  # fmt: skip
    _check_order(reader, sampling, trace)
    kind = opening.design.kind if source.whole is None else source.whole.kind
    if method == "lstd":
        from statinf.stochastic.lstd import lstd

        rows, dropped = _collect(reader, opening.frames, options.strict, len(terms))
        return lstd(
            formula,
            rows,
            terms,
            lags=lags,
            markov=sampling == "markov",
            recipe=opening.recipe,
            kind=kind,
            dropped=dropped,
        )
    pilot, frames = _pilot(reader, opening.frames, len(terms))
    if start is None and "c0" not in (step or {}):
        start = pilot_values(pilot)
    tuned = tune(
        pilot.F, pilot.G, pilot.c, n=opening.length, step=step, burn_in=burn_in, law=weights_law, start=start, power=options.power,
    )  # fmt: skip
    settings = options.settings(len(terms), tuned, opening.length, temporal=True)
    run = Run(settings=settings, state=State.start(settings), reader=reader)
    with Meter(settings, opening.length, progress) as meter:
        run = run.consume(frames, strict=options.strict, meter=meter)
    if sampling == "markov" and block_len == 1:
        _warn_dependence(options.names[0])
    return fit_of(f"td({trace:g})" if trace else "td(0)", formula, run, terms, options.names, ci, kind)


def _check(discount: float, trace: float, sampling: str, method: str, block_len: int) -> None:
    one_of("sampling", sampling, ("iid", "markov"))
    one_of("method", method, ("td", "lstd"))
    for option, value, most in (("discount", discount, "[0, 1)"), ("trace", trace, "[0, 1]")):
        bad = isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.0 <= value <= 1.0
        if bad or (most == "[0, 1)" and value == 1.0):
            raise OptionError(f"{option}={value!r} is not a number in {most}.")


def _inference(inference: Any, sampling: str) -> Any:
    if inference is not None:
        return inference
    return ("multiplier", "plugin") if sampling == "iid" else ("hac", "plugin")


def _warn_dependence(inference: str) -> None:
    if inference in ("multiplier", "plugin"):
        warnings.warn(
            f"inference={inference!r} takes the errors of successive rows as uncorrelated, which along a trajectory holds only "
            "if the features span the value function; use inference='hac', or block_len= for the replicas.",
            NumericalWarning, stacklevel=3,
        )  # fmt: skip


def _check_order(reader: TransitionReader, sampling: str, trace: float) -> None:
    if sampling == "markov":
        return
    if trace > 0.0:
        raise OptionError("trace > 0 reaches back along a trajectory: give sampling='markov'.")
    if reader.following is None:
        raise OptionError(
            "independent transitions need their next states: give next=, or sampling='markov' for rows in order."
        )


def _collect(reader: TransitionReader, frames: Iterator[Any], strict: bool, d: int) -> tuple[Rows, dict[str, int]]:
    rows, dropped = Rows.none(d), {}
    parts: list[Block] = []
    for table in frames:
        block, reader = reader.read(table, strict=strict)
        parts.append(block)
        dropped = add_counts(dropped, block.dropped)
    kept = [p.rows for p in parts if len(p.rows)]
    if kept:
        rows = Rows(*(np.concatenate([getattr(r, name) for r in kept]) for name in ("F", "G", "c", "episode")))
    return rows, dropped


def _pilot(reader: TransitionReader, frames: Iterator[Any], d: int) -> tuple[Rows, Iterator[Any]]:
    """Enough rows to tune on, and the frames with those read put back."""
    want, rows, read = pilot_size(d, None), Rows.none(d), []
    for table in frames:
        read.append(as_frame(table).native)
        block, reader = reader.read(table)
        rows = rows.then(block.rows)
        if len(rows) >= want:
            break
    if not len(rows):
        raise DataError("the data hold no complete transition; give next=, or rows of one trajectory in order.")
    return rows[:want], chain(read, frames)
