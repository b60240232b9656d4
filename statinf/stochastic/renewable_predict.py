"""Predictions of renewable estimates, each row with the coefficients of its group."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import OptionError, one_of
from statinf.results.predicting import prediction_frame
from statinf.stochastic.predict import MEANS
from statinf.stochastic.renewable_run import Renewal


def predict(
    run: Renewal,
    new: Any,
    x: np.ndarray,
    theta: np.ndarray,
    root: np.ndarray,
    half: Any,
    interval: str | None,
    type: str,
) -> Any:
    """A frame of predictions.

    Parameters
    ----------
    run : Renewal
    new : NewRows
    x : ndarray, shape (n, q)
    theta : ndarray, shape (n, p)
        Coefficients of each row's group.
    root : ndarray, shape (n, p, p)
        Root of their covariance.
    half : float or ndarray, shape (n,)
        Standard errors between a prediction and its limits.
    interval, type
        See `RenewableFit.predict`.
    """
    one_of("type", type, ("response", "link"))
    if interval not in (None, "confidence"):
        raise OptionError(f"interval={interval!r} is not known; choose None or 'confidence'.")
    s = run.settings
    u = np.einsum("nq,nkq->nk", x, theta.reshape(len(x), s.k, s.q))
    if run.reader.classes:
        if interval is not None:
            raise OptionError(
                "probabilities of classes have no interval here; fit.transform gives the error of any one."
            )
        u = np.column_stack([np.zeros(len(u)), u])
        p = np.exp(u - u.max(axis=1, keepdims=True))
        p = p / p.sum(axis=1, keepdims=True)
        return prediction_frame(new, {str(c): p[:, i] for i, c in enumerate(run.reader.classes)})
    centre = u[:, 0] + (0.0 if new.offset is None else new.offset)
    columns = {"estimate": centre}
    if interval is not None:
        se = np.sqrt((np.einsum("nq,nqr->nr", x, root) ** 2).sum(axis=1))
        columns |= {"std_error": se, "conf_low": centre - half * se, "conf_high": centre + half * se}
    if type == "response" and s.loss in MEANS:
        mean, slope = MEANS[s.loss]
        columns = {name: v if name == "std_error" else mean(v) for name, v in columns.items()}
        if "std_error" in columns:
            columns["std_error"] = columns["std_error"] * slope(columns["estimate"])
    return prediction_frame(new, columns)
