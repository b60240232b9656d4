"""`si.ctd`: values of states in continuous time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.backend.threads import one_blas_thread
from statinf.errors import OptionError, one_of
from statinf.inference.vcov import VcovSpec
from statinf.stochastic.continuous.covariances import CTD_KINDS, plain_kind
from statinf.stochastic.continuous.fit import CtdFit
from statinf.stochastic.continuous.nonlinear_fit import NonlinearCtdFit
from statinf.stochastic.continuous.reading import CtdQuestion, check_discount, check_terminal, ctd_problem
from statinf.stochastic.table import CTD

_FEW = 64


@CTD.document
def ctd(
    formula: str,
    data: Any,
    *,
    time: str,
    discount: float,
    id: str | None = None,
    terminal: str | float | None = None,
    method: str = "clstd",
    vcov: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> CtdFit:
    """Values of states under the policy that made the paths, in continuous time.

    The value of a state is the expected discounted reward from there on, J = phi'theta. Discounted values plus what was earned so
    far are a martingale at the true theta and at no other; the methods differ in which moments of its increments they set to
    zero. Time grids may be irregular.

    Parameters
    ----------
    formula : str
        `reward ~ features of the state`: the reward per unit of time, as it is from a row to the next. The intercept is a feature.
    data : data frame
        One row per time of an episode, in the order of time within each; the reward of the last row is not used, but must be a
        number.
    time : str
        Column of times, in numbers.
    discount : float
        Rate per unit of time, of zero or more: what comes after t counts exp(-discount * t).
    id : str, optional
        Column of episodes, taken as independent of one another. Without it the rows are one path.
    terminal : str or float, optional
        What is paid at the end of each episode: a column, read at its last row, or a number for all. By default paths go on after
        their last row, whose value is that of its state.
    method : str
        With its own options, given by name:

        {methods}
    vcov : str or mapping, optional
        "episode" (or "cluster"), the default with several episodes: sums over episodes, with the factor N / (N - 1). "hac", the
        default for one path, or `{"hac": lags}`: autocorrelated along paths. "HC0": increments of a martingale, right if the
        features span the values. `{"cluster": "column"}`: groups of episodes.
    cluster : str or sequence of str, optional
        Columns of groups of episodes.
    na_action : {"drop", "raise"}
        Rows left out make longer steps.
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    seed : int
        Of the methods that draw.
    **options
        Of the method.

    Returns
    -------
    CtdFit
        `predict(states, interval="confidence")` gives values, `martingale_test()` and `quadratic_variation()` look at the
        increments, `discretisation()` at what the time step does.

    Raises
    ------
    DataError
        If times within an episode do not ascend, or an episode has one row or no payment at its end.
    NotIdentifiedError
        If features are collinear along the paths.
    OptionError, FormulaError
        For options and formulas that cannot be used.

    Notes
    -----
    Standard errors hold the noise of the paths, not the bias of the time step, which is of its first order.

    Values that are no linear function of their parameters are a function of the caller's, `value_function(state, theta)` with
    `start=`, for "clstd" and "ml"; the formula then names the columns of `state` ("reward ~ 0 + y + left"). Where values
    have heavy tails use test_function="relative" (`benchmarks/results/nonlinear_values_coverage.md`).

    References
    ----------
    Jia and Zhou (2022), JMLR 23(154), arXiv 2108.06655.

    Examples
    --------
    >>> import statinf as si
    >>> paths = si.datasets.simulate("ornstein_uhlenbeck", 20_100, seed=1, step=0.05)
    >>> fit = si.ctd("reward ~ I(x**2)", paths, id="episode", time="time", discount=0.5)
    >>> fit.tidy()[["term", "estimate", "std_error"]].round(3)
            term  estimate  std_error
    0  Intercept     0.368      0.016
    1  I(x ** 2)     0.411      0.018
    """
    chosen, settings = CTD.read(method, options)
    for option, name, needed in (("time", time, True), ("id", id, False)):
        if not isinstance(name, str) and (needed or name is not None):
            raise OptionError(f"{option}={name!r} is not the name of a column.")
    asked = CtdQuestion(
        id=id, time=time, terminal=check_terminal(terminal), discount=check_discount(discount), seed=check_seed(seed)
    )
    one_of("na_action", na_action, ("drop", "raise"))
    if cluster is not None and not isinstance(cluster, str | list | tuple):
        raise OptionError("cluster= takes columns of groups of episodes; put the groups into the data.")
    spec = VcovSpec.read(plain_kind(vcov), cluster, CTD_KINDS)
    problem = ctd_problem(formula, data, asked, spec=spec, na_action=na_action, context=context)
    if not spec.explicit and problem.paths.episodes == 1:
        spec = VcovSpec("hac", explicit=False)
    # Products of few columns lose more to waking a second thread than it brings.
    with one_blas_thread(problem.paths.x.shape[1] <= _FEW):
        estimate = chosen.estimate(problem, settings)
        kind = NonlinearCtdFit if "family" in estimate.extra else CtdFit
        return kind.of(problem.design, estimate, spec, method=chosen)
