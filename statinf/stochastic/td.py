"""Temporal-difference learning with linear features, averaged, with confidence intervals for the values.

Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644 (independent transitions); Samsonov, Sheshukova,
Moulines & Naumov (2025), arXiv 2505.19102, and Newey & West (1987) (one trajectory).

The estimand is the root of E e (r + discount phi'theta - phi'theta) = 0, with e the eligibility trace: the projected
value function, the value function itself where the features span it. The mean matrix is stable on policy; off policy
it need not be, and then the run stops with an error that names LSTD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import NotIdentifiedError, OptionError, one_of
from statinf.formula.sources import open_source
from statinf.stochastic.next_columns import wanted_columns
from statinf.stochastic.table import TD
from statinf.stochastic.transitions import TransitionStream


@TD.document
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
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    **options: Any,
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
        In [0, 1); 1, the sum of the rewards up to the end of an episode, with method="lstd" and `terminal`.
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
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    seed : int
        Of the multipliers.
    progress : bool, optional
        A bar; None: in a terminal on work over a second.
    **options
        {methods}

    Returns
    -------
    StochasticFit or LstdFit
        `predict(states, interval="confidence")` gives values.

    Raises
    ------
    NotIdentifiedError
        If the mean matrix has an eigenvalue with a negative real part, or the features are collinear; with discount=1, if
        no episode ends or some states lead to no end.
    OptionError, FormulaError, DataError
        For options, formulas and data that cannot be used.

    Notes
    -----
    Default steps are c0 / (k0 + k)^(2/3), with the largest stable c0 and such a k0 that the average spans 15 relaxation times of
    the slowest direction (5 along a trajectory, where large steps leave a bias), as far as the rows allow. Nominal 95 % intervals
    were found to cover with them (`benchmarks/results/stream_stability.md`): "multiplier" (conservative), "plugin" and "hac" from
    1,000 rows, "random-scaling" from 30,000 independent transitions and along a trajectory at no length up to that, "batch-means"
    at none at all. Below, the fit warns. Along trajectories a bias is left that goes down slowly: on average
    -.7 standard errors at n = 3,000 and -.4 at n = 10,000 for ten states, against `method="lstd"` on the same rows, so that
    plugin and hac intervals hold the truth in 93 % of samples at n = 10,000 and 30,000. Covariances of "lstd" are "HC0" for
    independent transitions, and "hac" or "episode" along trajectories.

    Examples
    --------
    >>> import statinf as si
    >>> moves = si.datasets.simulate("garnet", 20_000, seed=1)
    >>> fit = si.td("reward ~ 0 + C(state)", moves, next="next_state", discount=0.9, replicas=200)
    >>> truth = moves.attrs["truth"]["value"]
    >>> bool((abs(fit.theta - truth) < 4 * fit.std_errors).all())
    True
    """
    found, settings = TD.read(method, options)
    _check(discount, trace, sampling, method, terminal)
    one_of("na_action", na_action, ("drop", "raise"))
    check_seed(seed)
    named = [c for c in (rho, id, terminal) if c is not None]
    source = open_source(data, wanted_columns(formula, named, next))
    stream = TransitionStream(
        formula, source, next, discount, trace, rho, id, terminal, sampling, na_action, context, seed, progress
    )
    return found.estimate(stream, settings)


def _check(discount: float, trace: float, sampling: str, method: str, terminal: str | None) -> None:
    one_of("sampling", sampling, ("iid", "markov"))
    for option, value, most in (("discount", discount, "[0, 1)"), ("trace", trace, "[0, 1]")):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0.0 <= value <= 1.0:
            raise OptionError(f"{option}={value!r} is not a number in {most}.")
    if discount == 1.0 and method != "lstd":
        raise OptionError(
            "discount=1.0 is not a number in [0, 1), which averaged temporal differences need; the undiscounted values of "
            "episodes that end are solved for by method='lstd' with terminal=."
        )
    if discount == 1.0 and terminal is None:
        raise NotIdentifiedError(
            "discount=1 sums the rewards up to the end of an episode: name the column that is 1 in an episode's last row, "
            "terminal=, or give a discount below 1."
        )
    if trace > 0.0 and sampling == "iid":
        raise OptionError("trace > 0 reaches back along a trajectory: give sampling='markov'.")
