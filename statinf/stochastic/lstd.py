"""Least-squares temporal differences: the batch counterpart of averaged TD.

Bradtke & Barto (1996), Machine Learning 22; Boyan (2002), Machine Learning 49. With eligibility traces e_k, features
phi_k and rewards r_k, theta solves sum e_k ((phi_k - discount phi_{k+1})'theta - r_k) = 0 exactly, phi_{k+1} = 0 after a
terminal row. It needs no step size and no stability of the mean matrix, so it is the way out off policy. With trace=1 and
complete episodes it is the regression of Monte Carlo returns on the features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.formula.blocks import add_counts, warn_dropped
from statinf.inference import Moments
from statinf.inference.roots import matrix_root
from statinf.results.estimate import Estimate, Passage
from statinf.results.methods import Method
from statinf.results.options import count
from statinf.stochastic.covariance import bartlett, default_lags
from statinf.stochastic.lstd_fit import LstdFit, batch_covariance, labelled
from statinf.stochastic.options import StreamOptions
from statinf.stochastic.reading import StreamBlock
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.transition_reader import TransitionReader
from statinf.stochastic.transitions import TransitionStream

_MANY = 30
"""Episodes from which their sums carry the default covariance."""


@dataclass(frozen=True)
class Solved:
    """The root of the summed equations, in features that are centred, where a constant is among them, and scaled.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        Of the features as given; NaN for those that no row has.
    carry : ndarray, shape (m, m)
        Takes coefficients of the m centred and scaled features, and the errors in them, to the features as given.
    inverse : ndarray, shape (m, m)
        Of the mean matrix of the centred and scaled features.
    features, steps : ndarray, shape (n, m)
        Centred and scaled F and G.
    beta : ndarray, shape (m,)
        Coefficients of these features.
    """

    theta: np.ndarray
    carry: np.ndarray
    inverse: np.ndarray
    features: np.ndarray
    steps: np.ndarray
    beta: np.ndarray


def solve(rows: StreamRows, names: tuple[str, ...], discounted: bool = True) -> Solved:
    """Solve the equations of all rows.

    Raises
    ------
    NotIdentifiedError
        If the features are collinear.
    """
    # A feature that no undiscounted transition changes is there, and not identified.
    seen = np.flatnonzero((rows.F != 0.0).any(axis=0) & ((rows.G != 0.0).any(axis=0) | (not discounted)))
    F, G = rows.F[:, seen], rows.G[:, seen]
    constant = _constant(F, [names[j] for j in seen])
    scale, carry = np.sqrt(np.mean(F**2, axis=0)) if len(F) else np.ones(len(seen)), np.eye(len(seen))
    if constant is not None:
        # Traces of a constant vary: other columns are centred by their projection on it, in traces and steps alike.
        line = F[:, constant]
        share = line @ F / (line @ line)
        share[constant] = 0.0
        carry[constant] -= share
        F, G = F - np.outer(line, share), G - np.outer(G[:, constant], share)
        spread = np.sqrt(np.mean(F**2, axis=0))
        scale = np.where(spread > 0.0, spread, scale)
    carry, F, G = carry / scale, F / scale, G / scale
    part = F.T @ G
    if not len(seen) or np.linalg.cond(part) > 1e12:
        _refuse_without_end(F, part, [names[j] for j in seen], discounted)
        raise NotIdentifiedError(
            "the features are collinear along this data: the values are not identified. Leave a feature out"
            + (f" of {', '.join(names)}." if len(names) <= 12 else ".")
        )
    beta = np.linalg.solve(part, F.T @ rows.c)
    theta = np.full(rows.F.shape[1], np.nan)
    theta[seen] = carry @ beta
    return Solved(theta, carry, np.linalg.inv(part), F, G, beta)


def _constant(F: np.ndarray, names: list[str]) -> int | None:
    """Number of the column of a constant feature, by its values or, where they are traces, by its name."""
    found = next((j for j in range(F.shape[1]) if np.ptp(F[:, j]) == 0.0), None) if len(F) else None
    return names.index("Intercept") if found is None and "Intercept" in names else found


def _refuse_without_end(F: np.ndarray, part: np.ndarray, names: list[str], discounted: bool) -> None:
    """Refuse undiscounted values that no end of an episode ties down, though the features are not collinear.

    A value function that no transition changes, such as a constant where no episode ends, can be added to any solution.
    """
    if discounted or not names or np.linalg.cond(F.T @ F) > 1e12:
        return
    null = np.abs(np.linalg.svd(part)[2][-1])
    held = [name for name, share in zip(names, null, strict=True) if share > 1e-6]
    raise NotIdentifiedError(
        f"with discount=1 the values along {', '.join(held[:6])}{', ...' if len(held) > 6 else ''} are not identified: no "
        "episode of these rows ends after them. Give episodes with their terminal rows, or a discount below 1."
    )


def lagged_products(scores: np.ndarray, episode: np.ndarray, lags: int) -> np.ndarray:
    """Sums of s_{k+l} s_k' within episodes, l = 0, ..., lags; shape (lags + 1, q, q)."""
    out = np.zeros((lags + 1, scores.shape[1], scores.shape[1]))
    for lag in range(min(lags, len(scores) - 1) + 1):
        same = episode[lag:] == episode[: len(episode) - lag]
        out[lag] = scores[lag:].T @ (scores[: len(scores) - lag] * same[:, None])
    return out


@dataclass(frozen=True, kw_only=True)
class LstdOptions(StreamOptions):
    """Options of the batch solution."""

    lags: int | None = count(None, "lags of the covariance 'hac'; None: by the number of rows", low=0, also=(None,))


def estimate(stream: TransitionStream, options: LstdOptions) -> LstdFit:
    """Solve the equations of all rows; the default covariance is HAC along a trajectory, by episode from 30 of them on."""
    opening, reader, terms = stream.begin(options)
    rows, dropped = _collect(reader, opening.frames, stream.na_action == "raise", len(terms))
    warn_dropped(dropped, len(rows) + sum(dropped.values()))
    markov = stream.sampling == "markov"
    made = lstd(rows, terms, lags=options.lags, markov=markov, discounted=stream.discount < 1.0)
    kind = "HC0"
    if markov:
        kind = "episode" if len(np.unique(rows.episode)) >= _MANY else "hac"
    passed = Passage(recipe=opening.recipe, kind=stream.kind(opening), dropped=dropped)
    return LstdFit.of(passed, made, kind, method=METHOD)


def _collect(
    reader: TransitionReader, frames: Iterator[Any], strict: bool, d: int
) -> tuple[StreamRows, dict[str, int]]:
    rows, dropped = StreamRows.none(d), {}
    parts: list[StreamBlock] = []
    for table in frames:
        block, reader = reader.read(table, strict=strict)
        parts.append(block)
        dropped = add_counts(dropped, block.dropped)
    kept = [p.rows for p in parts if len(p.rows)]
    if kept:
        rows = StreamRows(*(np.concatenate([getattr(r, name) for r in kept]) for name in ("F", "G", "c", "episode")))
    return rows, dropped


def lstd(
    rows: StreamRows, terms: tuple[str, ...], *, lags: int | None, markov: bool, discounted: bool = True
) -> Estimate:
    """The solution with every covariance that its rows allow."""
    solved = solve(rows, terms, discounted)
    error = solved.steps @ solved.beta - rows.c
    scores = solved.features * error[:, None]
    width = default_lags(len(rows)) if lags is None else lags
    meats = {"hac": bartlett(lagged_products(scores, rows.episode, width)), "HC0": scores.T @ scores}
    count = len(np.unique(rows.episode))
    if markov and count > 1:
        # Rows of an episode lie side by side; their sums are differences of running totals.
        starts = np.flatnonzero(np.append(True, rows.episode[1:] != rows.episode[:-1]))
        sums = np.add.reduceat(scores, starts, axis=0)
        meats["episode"] = sums.T @ sums * count / (count - 1.0)
    bread = solved.carry @ solved.inverse
    held = labelled({name: bread @ matrix_root(meat) for name, meat in meats.items()}, width)
    # The scores are those of A theta - b, so theta_hat - theta is minus A^{-1} times their sum.
    moments = Moments(-scores, bread, len(rows), float(len(rows) - scores.shape[1]))
    return Estimate(
        terms=terms, theta=solved.theta, moments=moments, df_resid=np.inf, covary=partial(batch_covariance, held),
        extra={"kept_covariances": held, "lags": width},
    )  # fmt: skip


METHOD = Method(
    verb="td",
    name="lstd",
    estimate=estimate,
    options=LstdOptions,
    summary="the root of the same equations, solved in one batch",
    citation="Bradtke and Barto (1996); Boyan (2002)",
    guarantee="batch root of the same equations; HAC or episode-clustered standard errors",
    vignette="lsa-bootstrap",
)
