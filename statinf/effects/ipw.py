"""Inverse probability weighting (Horvitz and Thompson 1952; Hajek 1971; Hirano, Imbens and Ridder 2003).

Estimands: the average effect over all rows (ATE), the treated (ATT), the controls (ATC), or the overlap
population with weights e(1 - e) (ATO; Li, Morgan and Zaslavsky 2018, arXiv 1404.1785). With a logit
propensity the standard errors come from the stacked equations: they account for its estimation, which makes
them smaller. A propensity from another learner, or a known one, is taken as it is.
"""

from __future__ import annotations

import numpy as np

from statinf.effects.estimate import Estimate
from statinf.effects.options import Options
from statinf.effects.rows import EffectRows, clipped
from statinf.errors import OptionError, one_of
from statinf.inference.sandwich import Moments
from statinf.learners.cells import standardise
from statinf.learners.logit import Logit
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.results import stack_scores

CITATION = "inverse probability weighting (Hirano, Imbens and Ridder 2003)"
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO")


def weights_of(e: np.ndarray, d: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of an estimand, and their derivatives by the log odds of the propensity, shape (n,) each."""
    odds = e / (1.0 - e)
    treated, control = {
        "ATE": ((1.0 / e, -1.0 / odds), (1.0 / (1.0 - e), odds)),
        "ATT": ((np.ones_like(e), np.zeros_like(e)), (odds, odds)),
        "ATC": ((1.0 / odds, -1.0 / odds), (np.ones_like(e), np.zeros_like(e))),
        "ATO": ((1.0 - e, -e * (1.0 - e)), (e, e * (1.0 - e))),
    }[estimand]
    return np.where(d > 0.5, treated[0], control[0]), np.where(d > 0.5, treated[1], control[1])


def estimate(rows: EffectRows, options: Options) -> Estimate:
    """Difference of weighted means of the two arms."""
    one_of("estimand", options.estimand, ESTIMANDS)
    if not options.normalize and options.estimand != "ATE":
        raise OptionError("normalize=False (Horvitz-Thompson) is for estimand='ATE'.")
    if options.known is not None:
        made = [{"propensity": options.known}]
    else:
        asked = [Nuisance("propensity", rows.d, options.treatment, probability=True)]
        made = cross_predict(rows.x, asked, options.folds, rows.w, seed=options.seed, progress=options.progress)
    # Only the maximum likelihood estimate on these very rows has a score that can be stacked.
    stacked = isinstance(options.treatment, Logit) and options.folds is None and options.known is None
    thetas, moments, moved = [], [], 0
    limit = 0.0 if options.known is not None else options.clip
    e = np.empty(0)
    for p in made:
        e, count = clipped(p["propensity"], rows.design.rows, limit, rows.w, estimand=options.estimand)
        moved = max(moved, count)
        theta, moment = _one(rows, e, options, (e == p["propensity"]) if stacked else None)
        thetas.append(theta)
        moments.append(moment)
    every = np.stack(thetas)
    w = rows.w * weights_of(e, rows.d, options.estimand)[0]
    notes = {"Propensities": f"{e.min():.3f} to {e.max():.3f}", "Clipped rows": moved}
    for name, arm in (("treated", rows.treated), ("controls", ~rows.treated)):
        notes[f"Effective sample, {name}"] = float(w[arm].sum() ** 2 / (w[arm] ** 2).sum())
    label = ", propensity estimated" if stacked else ", propensity taken as known"
    return Estimate(
        np.median(every, axis=0), every, tuple(moments), nuisance={"propensity": e}, notes=notes, label=label
    )


def _one(rows: EffectRows, e: np.ndarray, options: Options, free: np.ndarray | None) -> tuple[np.ndarray, Moments]:
    """Effects of one set of propensities; `free` marks rows whose propensity moves with the logit."""
    weight, slope = weights_of(e, rows.d, options.estimand)
    theta, unit, by_eta = [], [], []
    for _, group in rows.groups:
        parts = []
        for arm, sign in ((rows.treated, 1.0), (~rows.treated, -1.0)):
            chosen = (arm & group).astype(np.float64)
            size = float(rows.w @ (chosen * weight)) if options.normalize else float(rows.w @ group)
            mean = float(rows.w @ (chosen * weight * rows.y)) / size
            centre = mean if options.normalize else 0.0
            own = chosen * weight * (rows.y - centre) * sign / size
            if not options.normalize:
                own = own - sign * mean * group / size
            parts.append((sign * mean, own, chosen * slope * (rows.y - centre) * sign / size))
        theta.append(parts[0][0] + parts[1][0])
        unit.append(parts[0][1] + parts[1][1])
        by_eta.append(parts[0][2] + parts[1][2])
    influence = np.column_stack(unit)
    if free is not None:
        # In columns of mean zero and unit variance, so that where a covariate stands costs no digits.
        columns = standardise(rows.x, rows.w)
        x, penalty = columns.z, columns.penalty(options.treatment.penalty)
        information = (x * (rows.w * e * (1.0 - e))[:, None]).T @ x + np.diag(penalty)
        gradient = (x * (rows.w * free)[:, None]).T @ np.column_stack(by_eta)
        influence = influence + (x * (rows.d - e)[:, None]) @ np.linalg.lstsq(information, gradient, rcond=None)[0]
    extra = stack_scores(rows.design.weights_object, rows.design.rows, influence)
    nobs = int(np.count_nonzero(rows.w))
    q = len(theta)
    return np.array(theta), Moments(influence * rows.w[:, None], np.eye(q), nobs, float(nobs - q), **extra)  # type: ignore[arg-type]
