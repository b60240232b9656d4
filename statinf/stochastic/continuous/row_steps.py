"""Averaged steps of single rows, in the order of time: the online recursion."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.stochastic.averaged_td import tuned_to
from statinf.stochastic.cautions import warn_about
from statinf.stochastic.continuous.episode_steps import Averaged
from statinf.stochastic.continuous.equations import Equations
from statinf.stochastic.continuous.problem import CtdProblem
from statinf.stochastic.engine import advance
from statinf.stochastic.estimates import read_state
from statinf.stochastic.options import RunOptions
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.state import State
from statinf.stochastic.tuning import pilot_size


def steps_of_rows(problem: CtdProblem, equations: Equations, *, step: Any, burn_in: Any) -> Averaged:
    """Average over steps, one per row but last ones.

    Raises
    ------
    NotIdentifiedError
        If the mean matrix is not stable, or features are collinear.
    """
    inner = ~problem.paths.last
    rows = StreamRows.of(
        equations.Z[inner], equations.G[inner], equations.c[inner], problem.paths.episode[inner].astype(np.int64)
    )
    n, q = len(rows), len(problem.names)
    how = RunOptions(replicas=0, step=step, burn_in=burn_in, inference=("plugin",))
    tuned = tuned_to(rows[: pilot_size(q, n)], n, how, True)
    settings = how.settings(q, tuned, n, problem.seed, temporal=True, along=True)
    try:
        found = read_state(settings, advance(settings, State.start(settings), rows), problem.names)
    except NotIdentifiedError as error:
        said = str(error).split(" Temporal differences do this")[0]
        raise NotIdentifiedError(f"{said} Solve the conditions in one batch: method='clstd'.") from None
    if np.isnan(found.theta).any():
        name = problem.names[int(np.argmax(np.isnan(found.theta)))]
        raise NotIdentifiedError(f"no row moves the coefficient of '{name}': leave the feature out.")
    warn_about(found, settings)
    told = found.diagnostics
    facts = {
        "Steps": f"{n} rows, {told['c0']:.3g} / ({told['k0']:.3g} + k)^{told['power']:.3g}",
        "Averaged": f"{found.averaged} after {settings.burn_in}",
    }
    return Averaged(found.theta, inner & (np.cumsum(inner) > settings.burn_in), facts)
