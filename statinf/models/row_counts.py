"""What a row of a regression stands for: one observation, several equal ones, people of a population, or a number of trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError, OptionError, StatinfWarning, issue_warning
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.results import choice

WEIGHTS_KINDS = ("precision", "frequency", "probability")


def weights_kind_option() -> Any:
    """The option of `lm` and `glm` that says what weights mean."""
    return choice(
        "precision",
        WEIGHTS_KINDS,
        "what weights mean: inverse variances, or numbers of trials, as in R ('precision'); numbers of equal rows, which "
        "observations, degrees of freedom and every covariance count ('frequency'); or inverse probabilities of having been "
        "sampled, with robust standard errors only ('probability')",
    )


@dataclass(frozen=True, repr=False)
class RowCounts(Brief):
    """What the rows of a design stand for.

    Attributes
    ----------
    weights_kind : str
        One of `WEIGHTS_KINDS`.
    copies : ndarray, shape (n,), or None
        How many equal rows each row stands for; None for one.
    trials : bool
        Whether rows hold shares of trials, which are among the weights.
    asked : bool
        Whether anybody asks for the likelihood.
    """

    weights_kind: str = "precision"
    copies: np.ndarray | None = None
    trials: bool = False
    asked: bool = True

    def nobs(self, weights: np.ndarray) -> int:
        """Observations of positive weight."""
        positive = weights > 0
        return int(np.count_nonzero(positive) if self.copies is None else round(float(self.copies[positive].sum())))

    def variances(self, weights: np.ndarray) -> np.ndarray:
        """Of single outcomes, relative to one another, that the weights stand for, shape (n,).

        They are inverse to the weights, but for copies, which share theirs; so are a survey's weights taken, which say nothing
        of variances. A row of weight zero is absent and has one.
        """
        each = weights if self.copies is None else weights / np.maximum(self.copies, 1.0)
        return np.divide(1.0, each, out=np.ones_like(weights), where=each > 0)

    @property
    def whole(self) -> bool:
        """Whether weights may be numbers of trials, so that successes are looked at."""
        return not self.trials and self.weights_kind == "precision"

    @property
    def likely(self) -> bool:
        """Whether there is a likelihood that is asked for: weights of a survey make none."""
        return self.asked and self.weights_kind != "probability"


ONE_EACH = RowCounts()


def counted(made: Design, kind: str) -> tuple[Design, RowCounts]:
    """The design with weights of that kind, shares of trials made of `cbind(successes, failures)`, and what rows stand for.

    Parameters
    ----------
    made : Design
        With one outcome (n,), or two (n, 2): successes and failures.
    kind : str

    Raises
    ------
    DataError, OptionError
        For frequencies that are not whole, counts that are negative, and estimated weights of another kind.
    """
    if kind != "precision" and made.weights_object is not None:
        raise OptionError(
            f"weights_kind={kind!r} goes with weights that are given as numbers; those of a `Weights` object carry their own "
            "theory: leave weights_kind= out."
        )
    copies = None
    weights = made.weights
    if kind == "frequency":
        copies = _whole(weights, made.rows)
    elif kind == "probability":
        weights = weights * (np.count_nonzero(weights) / weights.sum())
    response = made.response
    assert response is not None
    if response.ndim == 1:
        return (made if weights is made.weights else replace(made, weights=weights)), RowCounts(kind, copies)
    return _shares(made, response, weights), RowCounts(kind, copies, True)


def absent_as_present(made: Design) -> Design:
    """The design with the first row of positive weight in the place of every row of weight zero.

    Means, variances and deviances of absent rows then exist, whatever stands in them, and zero times them is zero. Under estimated
    weights rows stay as they are: a weight that is zero moves with what it was estimated from.
    """
    absent = ~(made.weights > 0)
    if made.weights_object is not None or not absent.any() or absent.all():
        return made
    first = int(np.argmin(absent))

    def filled(rows: np.ndarray) -> np.ndarray:
        out = np.array(rows, order="F")
        out[absent] = rows[first]
        return out

    columns = made.parts[0]
    matrix = Matrix(filled(columns.values), columns.names, columns.terms, columns.intercept)
    return replace(
        made,
        response=None if made.response is None else filled(made.response),
        parts=(matrix, *made.parts[1:]),
        offset=None if made.offset is None else filled(made.offset),
    )


def _whole(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    broken = weights != np.round(weights)
    if broken.any():
        place = int(np.argmax(broken))
        raise DataError(
            f"weights_kind='frequency' takes whole numbers of equal rows; {int(broken.sum())} weights are not whole, such as "
            f"{weights[place]:g} in row {int(rows[place])}. For inverse variances use 'precision', for a survey 'probability'."
        )
    return weights


def _shares(made: Design, response: np.ndarray, weights: np.ndarray) -> Design:
    names = made.response_names
    if response.shape[1] != 2:
        raise FormulaError(
            f"cbind() holds {response.shape[1]} columns; a binomial outcome is cbind(successes, failures), or a share of successes "
            "with the trials as weights=."
        )
    if made.weights_object is not None:
        raise OptionError(
            "cbind(successes, failures) does not go with a `Weights` object, whose weights are those of single rows; give one row "
            "per trial."
        )
    for name, column in zip(names, response.T, strict=True):
        if (column < 0).any():
            raise DataError(f"'{name}' counts successes or failures and cannot be negative, such as {column.min():g}.")
    broken = np.abs(response - np.round(response)).max(axis=1) > 1e-3
    if broken[weights > 0].any():
        issue_warning(
            f"cbind({', '.join(names)}) holds {int(broken.sum())} rows of counts that are not whole: take a robust vcov, which "
            "does not need the likelihood, or a quasi family.",
            StatinfWarning,
        )
    trials = response.sum(axis=1)
    if not (trials * weights > 0).any():
        raise DataError(f"cbind({', '.join(names)}) holds no trial in any row of positive weight.")
    share = response[:, 0] / np.maximum(trials, np.finfo(float).tiny)
    return replace(made, response=share, weights=weights * trials, response_names=(f"cbind({', '.join(names)})",))
