"""Whether the boundaries of an ordered outcome share their slopes (Brant 1990): one binary fit a boundary, jointly.

Slopes of the binary fits of "Y above boundary k" estimate the same numbers if slopes are shared. Their joint covariance is
the model's, as Brant has it, or the sandwich of all their scores, where the fit asked for is robust, clustered or has
estimated weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.models.ordered_rows import OrderedProblem, ordered_problem
from statinf.numerics.limited.links import LINKS
from statinf.results.clusters import fit_clusters


def boundary_slopes(
    problem: OrderedProblem, link: str, names: tuple[str, ...], kind: Any, tol: float = 1e-10, max_iter: int = 100
) -> tuple[np.ndarray, Covariance]:
    """Slopes and cutpoint of every boundary's own binary fit, shape (K - 1, k + 1), and their joint covariance.

    Parameters
    ----------
    problem : OrderedProblem
    link : str
    names : tuple of str
        Of the boundaries.
    kind : str or mapping
        Of the covariance.

    Raises
    ------
    NotIdentifiedError
        If a boundary's own slopes do not exist, as columns separate it.
    """
    made, theta, parts = problem.rows.design, [], []
    for k, name in enumerate(names):
        own = ordered_problem(made, (problem.codes > k).astype(np.intp), 2, link, problem.rows)
        try:
            found = own.solve(tol=tol, max_iter=max_iter)
        except (NotIdentifiedError, ConvergenceError) as error:
            raise NotIdentifiedError(f"the boundary {name} has no slopes of its own to compare: {error}") from None
        theta.append((own, found.beta))
        parts.append(own.moments(found.beta, found.hessian))
    outer = np.stack([own.to_outer @ beta for own, beta in theta])
    bread = block_diag(*(m.bread for m in parts))
    factor = block_diag(*(m.factor for m in parts))
    joined = replace(
        parts[0],
        scores=np.concatenate([m.scores for m in parts], axis=1),
        bread=bread,
        factor=factor,
        model=_model(problem, link, theta) if kind == "iid" else None,
        adjustment=_side_by_side(parts, "adjustment"),
        outside=_side_by_side(parts, "outside"),
    )
    if kind == "iid":
        joined = replace(joined, factor=None)
    clusters = fit_clusters(made, kind)
    return outer, covariance(joined, kind, clusters, normal=True)


def _side_by_side(parts: list[Moments], name: str) -> np.ndarray | None:
    found = [getattr(m, name) for m in parts]
    return None if found[0] is None else np.concatenate(found, axis=1)


def _model(problem: OrderedProblem, link: str, theta: list[tuple[OrderedProblem, np.ndarray]]) -> np.ndarray:
    """Covariance of all boundaries' coefficients under the model of each: Brant's, for any link."""
    law, rows = LINKS[link], problem.rows
    X = np.hstack([-rows.Z[:, 1:], np.ones((len(rows.Z), 1))])
    offset = np.zeros(len(X)) if rows.offset is None else rows.offset
    at = np.stack([X @ beta - offset for _, beta in theta])
    below, above = law.log_below(at), law.log_above(at)
    slope = law.log_density(at) - below - above
    m, q = len(theta), X.shape[1]
    blocks = np.empty((m, q, m, q))
    for j in range(m):
        for k in range(j, m):
            # E[score_j score_k] with Cov(1{Y <= j}, 1{Y <= k}) = F_j (1 - F_k) for j <= k
            weight = rows.weights * np.exp(slope[j] + slope[k] + below[j] + above[k])
            blocks[j, :, k] = (X * weight[:, None]).T @ X
            blocks[k, :, j] = blocks[j, :, k].T
    inverse = [theta[j][0].to_outer @ np.linalg.inv(blocks[j, :, j]) for j in range(m)]
    return np.block([[inverse[j] @ blocks[j, :, k] @ inverse[k].T for k in range(m)] for j in range(m)])
