"""Averaged temporal differences with replicas: TD(0), TD(lambda), off policy.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644 (independent transitions); Samsonov, Sheshukova,
Moulines & Naumov (2025), arXiv 2505.19102 (one trajectory).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from statinf.errors import DataError, NumericalWarning, issue_warning
from statinf.formula import as_frame
from statinf.numerics.laws.multipliers import LARGEST
from statinf.results.methods import Method
from statinf.stochastic.basis import whiten
from statinf.stochastic.fit import StochasticFit, fit_of
from statinf.stochastic.options import RunOptions
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.state import State
from statinf.stochastic.step_size import spanning_k0
from statinf.stochastic.transition_reader import TransitionReader
from statinf.stochastic.transitions import TransitionStream
from statinf.stochastic.tuning import Tuning, check_start, pilot_size, pilot_values, tune


@dataclass(frozen=True, kw_only=True)
class TdOptions(RunOptions):
    """Options of averaged temporal differences: features are whitened unless `step` has c0, nothing is preconditioned."""


def estimate(stream: TransitionStream, options: TdOptions) -> StochasticFit:
    """One pass over transitions."""
    markov = stream.sampling == "markov"
    if options.inference is None:
        options = replace(options, inference=("hac", "plugin") if markov else ("multiplier", "plugin"))
    opening, reader, terms = stream.begin(options, options.expected_rows)
    pilot, frames = _pilot(reader, opening.frames, len(terms))
    tuned = _tuned(pilot, opening.length, options, markov)
    settings = options.settings(len(terms), tuned, opening.length, stream.seed, temporal=True, along=markov)
    run = Run(settings=settings, state=State.start(settings), reader=reader)
    with Meter(settings, opening.length, stream.progress) as meter:
        run = run.consume(frames, strict=stream.na_action == "raise", meter=meter)
    if markov and options.block_len == 1:
        _warn_dependence(options.kinds[0])
    method = replace(METHOD, name=f"td({stream.trace:g})" if stream.trace else "td(0)")
    return fit_of(run, terms, method, options.kinds, options.ci, stream.kind(opening))


def _tuned(pilot: StreamRows, length: int | None, options: TdOptions, along: bool) -> Tuning:
    """What the pilot decides; unless the caller gave c0, for features that it made orthonormal."""
    start, transform = options.start, None
    if "c0" not in (options.step or {}):
        transform = whiten(pilot.F).transform
        pilot = replace(pilot, F=pilot.F @ transform, G=pilot.G @ transform)
        if start is None:
            start = pilot_values(pilot)
        else:
            start = np.linalg.solve(transform, check_start(start, len(transform)))
    tuned = tune(
        pilot.F, pilot.G, pilot.c, n=length, step=_long_steps(pilot, length, options, along), burn_in=options.burn_in,
        law=options.law, start=start, power=options.power,
    )  # fmt: skip
    return replace(tuned, left=transform, right=transform)


def _long_steps(pilot: StreamRows, length: int | None, options: TdOptions, along: bool) -> Mapping[str, float]:
    """The caller's step constants, with a k0 that follows the slowest direction of the pilot where none was given."""
    given = dict(options.step or {})
    if "c0" in given or "k0" in given:
        return given
    mean = pilot.F.T @ pilot.G / len(pilot)
    seen = (mean != 0.0).any(axis=0) & (mean != 0.0).any(axis=1)
    values = np.linalg.eigvals(mean[np.ix_(seen, seen)]).real if seen.any() else np.ones(1)
    if values.min() <= 0.0:
        return given
    r2 = float(np.quantile(np.abs(np.einsum("ij,ij->i", pilot.F, pilot.G)), 0.95))
    power = float(given.get("power", options.power))
    bound = LARGEST[options.law] * r2
    return given | {"k0": spanning_k0(float(values.min()), bound, length, power, along=along)}


def _warn_dependence(inference: str) -> None:
    if inference in ("multiplier", "plugin"):
        issue_warning(
            f"inference={inference!r} takes the errors of successive rows as uncorrelated, which along a trajectory holds only "
            "if the features span the value function; use inference='hac', or block_len= for the replicas.",
            NumericalWarning,
        )  # fmt: skip


def _pilot(reader: TransitionReader, frames: Iterator[Any], d: int) -> tuple[StreamRows, Iterator[Any]]:
    """Enough rows to tune on, and the frames with those read put back."""
    want, rows, read = pilot_size(d, None), StreamRows.none(d), []
    for table in frames:
        read.append(as_frame(table).native)
        block, reader = reader.read(table)
        rows = rows.then(block.rows)
        if len(rows) >= want:
            break
    if not len(rows):
        raise DataError("the data hold no complete transition; give next=, or rows of one trajectory in order.")
    return rows[:want], chain(read, frames)


METHOD = Method(
    verb="td",
    name="td",
    estimate=estimate,
    options=TdOptions,
    summary="averaged temporal differences with replicas, one pass",
    citation="Samsonov, Moulines, Shao, Zhang and Naumov (2024)",
    arxiv="2405.16644",
    guarantee="intervals for values of states, independent transitions or one trajectory (HAC)",
    vignette="lsa-bootstrap",
    traits={"row order": "transitions are worked through in their order"},
)
