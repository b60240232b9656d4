"""Class shares of a target by maximum likelihood, with calibrated probabilities.

Saerens, Latinne and Decaestecker (2002, Neural Computation 14) for the likelihood; Alexandari, Kundaje and Shrikumar (2020,
arXiv 1901.06852) for the calibration without which it is biased. If the law of covariates given the class is the same in both
samples, the target's rows are a mixture with densities proportional to f_c(x) / p_c, of the source's class probabilities and
shares. Standard errors are those of the stacked system: target rows, source shares, calibration, and the coefficients of a
logit behind the probabilities. The model of another learner counts as known up to calibration; with `correct=True` the
likelihood's weights are used as moments instead (Tian, Zhang and Zhao 2023), which hold whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.results.options import choice, flag
from statinf.shifts.labels.bbse import class_means, matched, warn_weak
from statinf.shifts.labels.calibration import ScaledLogs, calibrate, logarithms
from statinf.shifts.labels.mixture import mixture_shares
from statinf.shifts.labels.problem import LabelMethod, LabelOptions, LabelProblem, LabelSolution


@dataclass(frozen=True, kw_only=True)
class MllsOptions(LabelOptions):
    """Options of maximum likelihood."""

    calibration: str | None = choice(
        "bcts",
        ("bcts", "temperature"),
        "calibration of the probabilities on the source: temperature with biases of the classes, temperature, or none",
        none=True,
    )
    correct: bool = flag(
        False, "match the means of the likelihood's weights by class: right errors whatever the model of classes"
    )


@dataclass(frozen=True)
class _MixtureFit:
    """Pieces of the likelihood at its maximum.

    Attributes
    ----------
    q : ndarray, shape (k,)
    s : ndarray, shape (m, k)
        Density of each class over that of the mixture, at the target rows.
    source, target : ndarray, shape (n, k) and (m, k)
        Calibrated probabilities.
    logs, target_logs : ndarray
        Logarithms of those before calibration.
    fitted : ScaledLogs or None
    """

    q: np.ndarray
    s: np.ndarray
    source: np.ndarray
    target: np.ndarray
    logs: np.ndarray
    target_logs: np.ndarray
    fitted: ScaledLogs | None


def estimate(problem: LabelProblem, options: MllsOptions) -> LabelSolution:
    """Shares that maximise the likelihood of the target's rows."""
    state = _maximum(problem, options.calibration)
    if options.correct:
        own = (state.source / problem.shares) @ state.q
        made = matched(problem, state.source / problem.shares / own[:, None], state.s)
        return LabelSolution(made.shares, made.influence, _facts(state))
    warn_weak(problem, state.source, class_means(problem, state.source))
    known = problem.behind is None
    note = "Errors take the model behind the probabilities as known; correct=True does not." if known else ""
    return LabelSolution(state.q, lambda: _influence(problem, state), _facts(state), note)


def _maximum(problem: LabelProblem, calibration: str | None) -> _MixtureFit:
    logs, target_logs = logarithms(problem.source), logarithms(problem.target)
    source, target, fitted = problem.source, problem.target, None
    if calibration is not None:
        fitted = calibrate(logs, problem.codes, problem.ws, calibration == "bcts")
        source, target = fitted.apply(logs), fitted.apply(target_logs)
    r = target / problem.shares
    q = mixture_shares(r, problem.wt, problem.shares)
    return _MixtureFit(q, r / (r @ q)[:, None], source, target, logs, target_logs, fitted)


def _facts(state: _MixtureFit) -> dict[str, float]:
    return {} if state.fitted is None else {"temperature": 1.0 / state.fitted.slope}


def _influence(problem: LabelProblem, state: _MixtureFit) -> tuple[np.ndarray, np.ndarray]:
    """Influence of the rows of both samples on the shares, through all that was estimated, shape (n, k) and (m, k)."""
    s, q, p = state.s, state.q, problem.shares
    share = problem.wt / problem.wt.sum()
    information = (s * share[:, None]).T @ s
    mean = share @ s
    # Slope of the mean weights in the shares of the source, in the log odds of each class, and in what lies behind these.
    by_shares = -np.diag(mean / p) + information * (q / p)
    on_source = problem.shares_influence @ by_shares.T
    if state.fitted is not None:
        on_source += _through_calibration(problem, state, share)
    elif problem.logit is not None:
        on_source += problem.logit.pushed(_by_logit(problem, state, share))
    inverse = np.linalg.pinv(information, rcond=1e-12, hermitian=True)
    # Moves sum to zero, which those of shares above zero do by themselves.
    summed = inverse.sum(axis=0)
    inverse = inverse - np.multiply.outer(summed, summed) / summed.sum()
    return on_source @ inverse.T, ((s - mean) * share[:, None]) @ inverse.T


def _by_logit(problem: LabelProblem, state: _MixtureFit, share: np.ndarray) -> np.ndarray:
    """Slope of the mean weights in the logit's coefficients at a fixed calibration, shape (k, (k - 1)(p + 1))."""
    assert problem.logit is not None
    a = 1.0 if state.fitted is None else state.fitted.slope
    post = state.s * state.q
    rows = []
    for y in range(problem.k):
        by_class = -post * (a * share * state.s[:, y])[:, None]
        by_class[:, y] += a * share * state.s[:, y]
        rows.append(problem.logit.slope_of(by_class, other=True))
    return np.stack(rows)


def _through_calibration(problem: LabelProblem, state: _MixtureFit, share: np.ndarray) -> np.ndarray:
    """What the calibration, and a logit before it, add to the source rows' influence on the mean weights, shape (n, k)."""
    fitted, logit = state.fitted, problem.logit
    assert fitted is not None
    s, post = state.s, state.s * state.q
    pulled = s * share[:, None]
    by_bias = np.diag(pulled.sum(axis=0)) - pulled.T @ post
    ones = np.ones(problem.k)
    by_slope = (pulled * state.target_logs).sum(axis=0) - ((post * state.target_logs) @ ones) @ pulled
    slopes = np.column_stack([by_slope, by_bias])[:, fitted.free]
    push = np.linalg.solve(fitted.information, slopes.T).T
    out = fitted.scores(state.logs, problem.codes, problem.ws, state.source) @ push.T
    if logit is not None:
        out += logit.pushed(_by_logit(problem, state, share) + push @ _scores_by_logit(problem, state))
    return out


def _scores_by_logit(problem: LabelProblem, state: _MixtureFit) -> np.ndarray:
    """Slope of the calibration's summed scores in the logit's coefficients, shape (r, (k - 1)(p + 1))."""
    fitted, logit = state.fitted, problem.logit
    assert fitted is not None and logit is not None
    f, w, a = state.source, problem.ws, fitted.slope
    left = -f * w[:, None]
    left[np.arange(len(w)), problem.codes] += w
    centred = state.logs - np.einsum("ij,ij->i", f, state.logs)[:, None]
    rows = [logit.slope_of(left - a * w[:, None] * f * centred)]
    for c in range(problem.k):
        by_class = f * (a * w * f[:, c])[:, None]
        by_class[:, c] -= a * w * f[:, c]
        rows.append(logit.slope_of(by_class))
    return np.stack(rows)[fitted.free]


METHOD = LabelMethod(
    verb="target_shift",
    name="mlls",
    estimate=estimate,
    options=MllsOptions,
    summary="class shares by maximum likelihood with calibrated probabilities (EM)",
    citation="Saerens, Latinne and Decaestecker (2002); Alexandari, Kundaje and Shrikumar (2020)",
    arxiv="1901.06852",
    guarantee="efficient if the calibrated probabilities are right; stacked standard errors",
    vignette="label-shift",
)
