"""Class shares of a target from the confusion matrix of a classifier.

Lipton, Wang and Smola (2018, arXiv 1802.03916): black-box shift estimation. If the law of covariates given the class is the
same in both samples, the mean of any prediction h over the target is A q, with the class shares q of the target and A[:, c] the
mean of h over the source's rows of class c. "bbse" takes h for the predicted class, "bbse-soft" for the predicted
probabilities. The equations hold for every h, so that errors of the model behind h do not enter the standard errors, which
come from the sampling of both samples by the delta method; a poor model costs precision alone.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import NotIdentifiedError, NumericalWarning, issue_warning
from statinf.shifts.labels.problem import LabelMethod, LabelOptions, LabelProblem, LabelSolution, hard

_SINGULAR = 1e10
WEAK = 4.0
"""Standard errors of the smallest singular value of the confusion matrix below which it may as well be zero."""


def class_means(problem: LabelProblem, h: np.ndarray) -> np.ndarray:
    """Means of h (n, k) over the source's rows of each class, shape (k, k): one column per class."""
    out = np.empty((h.shape[1], problem.k))
    for a in range(h.shape[1]):
        out[a] = np.bincount(problem.codes, problem.ws * h[:, a], minlength=problem.k)
    return out / problem.mass


def matched(problem: LabelProblem, source: np.ndarray, target: np.ndarray) -> LabelSolution:
    """Shares q with A q = b for predictions of the rows of both samples, shape (n, k) and (m, k).

    Raises
    ------
    NotIdentifiedError
        If the confusion matrix is singular.
    """
    confusion = class_means(problem, source)
    share = problem.wt / problem.wt.sum()
    mean = share @ target
    condition = float(np.linalg.cond(confusion))
    if not condition < _SINGULAR:
        _refuse(problem, confusion)
    inverse = np.linalg.inv(confusion)
    q = inverse @ mean
    warn_weak(problem, source, confusion)

    def influence() -> tuple[np.ndarray, np.ndarray]:
        pull = problem.ws * (q / problem.mass)[problem.codes]
        # The inverse takes a class's column of the confusion matrix to the class itself.
        on_source = (source * -pull[:, None]) @ inverse.T
        on_source[np.arange(len(pull)), problem.codes] += pull
        return on_source, (target * share[:, None]) @ inverse.T - np.multiply.outer(share, q)

    return LabelSolution(q, influence, {"condition number": condition})


def _refuse(problem: LabelProblem, confusion: np.ndarray) -> None:
    never = [name for name, row in zip(problem.names, confusion, strict=True) if not row.any()]
    said = f"class {', '.join(map(repr, never))} is never predicted" if never else "classes are predicted alike"
    raise NotIdentifiedError(
        f"the confusion matrix is singular: {said} on the source. Use method='bbse-soft' or 'mlls', which take probabilities, "
        "method='rlls', which regularises, or merge classes."
    )


def warn_weak(problem: LabelProblem, source: np.ndarray, confusion: np.ndarray) -> None:
    """Warn where means (k, k) of predictions (n, k) by class may as well be singular."""
    left, singular, right = np.linalg.svd(confusion)
    along = source @ left[:, -1]
    centred = along - (left[:, -1] @ confusion)[problem.codes]
    noise = np.bincount(problem.codes, (problem.ws * centred) ** 2, minlength=problem.k) / problem.mass**2
    error = float(np.sqrt(right[-1] ** 2 @ noise))
    if singular[-1] < WEAK * error:
        issue_warning(
            f"the classes are hardly told apart: the smallest singular value of the confusion matrix is {singular[-1]:.3g} "
            f"with a standard error of {error:.2g}. Shares and their intervals are unreliable; use a better model, merge "
            "classes, or method='rlls'.",
            NumericalWarning,
        )


def estimate(problem: LabelProblem, options: LabelOptions) -> LabelSolution:
    """Shares from predicted classes."""
    return matched(problem, hard(problem.source), hard(problem.target))


def estimate_soft(problem: LabelProblem, options: LabelOptions) -> LabelSolution:
    """Shares from predicted probabilities."""
    return matched(problem, problem.source, problem.target)


METHODS = {
    "bbse": LabelMethod(
        verb="target_shift",
        name="bbse",
        estimate=estimate,
        options=LabelOptions,
        summary="class shares from the confusion matrix of predicted classes",
        citation="Lipton, Wang and Smola (2018)",
        arxiv="1802.03916",
        guarantee="consistent whatever the classifier, if it tells classes apart; standard errors of both samples",
        vignette="label-shift",
    ),
    "bbse-soft": LabelMethod(
        verb="target_shift",
        name="bbse-soft",
        estimate=estimate_soft,
        options=LabelOptions,
        summary="class shares from mean predicted probabilities by class",
        citation="Lipton, Wang and Smola (2018)",
        arxiv="1802.03916",
        guarantee="consistent whatever the model of classes, if it tells them apart; standard errors of both samples",
        vignette="label-shift",
    ),
}
