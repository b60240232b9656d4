"""Covariances of estimates from paths: by episode, of rows, and along paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.roots import matrix_root
from statinf.inference.sandwich import covariance
from statinf.inference.vcov import VcovKinds
from statinf.stochastic.continuous.problem import CtdProblem
from statinf.stochastic.covariance import bartlett, default_lags
from statinf.stochastic.lstd import lagged_products

CTD_KINDS = VcovKinds(
    default="episode", names=("episode", "HC0", "hac"), robust="HC0", clustered=("HC0",), structured={"hac": ()},
    cluster_type="HC0",
)  # fmt: skip


def plain_kind(vcov: Any) -> Any:
    """A covariance as asked for, where "cluster" stands for "episode"."""
    return "episode" if isinstance(vcov, str) and vcov.lower() in ("cluster", "clustered") else vcov


def path_covariance(problem: CtdProblem, moments: Moments, overlapping: str, kind: Any) -> Covariance:
    """The covariance of an estimate.

    Parameters
    ----------
    problem : CtdProblem
    moments : Moments
        Scores in the order of the design's rows.
    overlapping : str
        Why scores of rows of one episode cannot be told apart; empty where they can.
    kind : str or mapping
        As `VcovSpec.asked` gives it.

    Raises
    ------
    NotIdentifiedError
        If the paths do not have it.
    """
    if isinstance(kind, Mapping) and "cluster" in kind:
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        return _grouped(problem, moments, dict(kind), names)
    if kind == "episode":
        if not problem.id:
            raise NotIdentifiedError("errors by episode need id=, the column of episodes; there is one path here.")
        return replace(_grouped(problem, moments, {"cluster": problem.id, "type": "HC0"}, [problem.id]), kind=kind)
    if overlapping:
        raise NotIdentifiedError(
            f"{overlapping}, so that rows of one episode have no errors of their own: use 'episode'"
        )
    if kind == "HC0":
        found = covariance(moments, "HC0", normal=True)
        return replace(found, label="HC0 (increments of a martingale)")
    return _along(problem, moments, kind)


def _grouped(problem: CtdProblem, moments: Moments, kind: dict[str, Any], names: list[str]) -> Covariance:
    codes = {name: problem.design.cluster_codes(name) for name in names}
    q = moments.q
    for name, code in codes.items():
        count = int(code.max()) + 1
        if count <= q:
            what = "episodes" if name == problem.id else f"groups of '{name}'"
            raise NotIdentifiedError(
                f"there are {count} {what} for {q} coefficients, and errors by cluster need more of them than coefficients"
            )
        if name != problem.id and problem.id and _splits(problem.design.cluster_codes(problem.id), code):
            raise OptionError(f"cluster='{name}' varies within episodes of '{problem.id}': group whole episodes.")
    return covariance(moments, kind, codes)


def _splits(episode: np.ndarray, group: np.ndarray) -> bool:
    """Whether rows of an episode are of several groups."""
    first = np.zeros(int(episode.max()) + 1, group.dtype)
    first[episode] = group
    return bool((first[episode] != group).any())


def _along(problem: CtdProblem, moments: Moments, kind: Any) -> Covariance:
    """Newey and West's along each path."""
    given = kind["hac"] if isinstance(kind, Mapping) else None
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | np.integer) or given < 0):
        raise OptionError(f"vcov={{'hac': {given!r}}}: lags are a whole number of at least 0.")
    scores = moments.scores if problem.order is None else moments.scores[problem.order]
    lags = default_lags(len(scores)) if given is None else int(given)
    root = moments.bread @ matrix_root(bartlett(lagged_products(scores, problem.paths.episode, lags)))
    return Covariance(root @ root.T, kind, f"HAC along paths, {lags} lags", np.inf, root)
