"""Balancing by integral probability metrics.

Kong, I., Park, Y., Jung, J., Lee, K. and Kim, Y. (2023), "Covariate balancing using the integral probability metric for
causal inference", ICML, PMLR 202, arXiv 2305.13715.

Estimand: ATE, ATT or ATC. Assumptions: no unmeasured confounding given the columns and overlap; the outcome regression lies
(nearly) in the class of test functions. The weights make each reweighted arm look like its target to every function of
the class: the unit ball of an RKHS (``ipm="mmd"``, Gaussian kernel ``exp(-|x - y|^2 / (2 bandwidth^2))``), sigmoids
``1 / (1 + exp(-a'x - b))`` with ``|a| <= slope`` (``"sipm"``), Lipschitz functions (``"wasserstein"``) or the energy
distance (``"energy"``).

``form="nonparametric"`` gives each row a free weight, ``"parametric"`` weights that are exponential in the columns.
Columns are standardised over the whole sample. MMD and sigmoid problems are solved to their optimum. The authors instead
take 1000 Adam steps on the weights, against sigmoids of any slope in the second case, and stop there: what regularises
their answer is that neither weights nor slopes have come far. Here a ridge on the weights and the bound on the slope do;
without a bound the metric is the largest difference over half-spaces, which no sample balances well.
``optimizer="adam"`` reruns theirs, and is the only one for ``"wasserstein"``.

Standard errors: with ``ipm="mmd"`` the weights are a root of a (penalised) estimating equation whose linear expansion the
stacked standard errors use; for the other metrics weights are treated as fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.balancing.energy import EnergyOptions
from statinf.balancing.energy import estimate as energy
from statinf.balancing.ipm_adversarial import solve_iterated
from statinf.balancing.ipm_mmd import bandwidth_of, solve_mmd
from statinf.balancing.ipm_sigmoid import solve_sigmoid
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.errors import OptionError
from statinf.results.options import Options, choice, count, number

_METRICS = ("mmd", "sipm", "wasserstein", "energy")
_SCHEME = ("epochs", "lr", "lr_adv", "adv_steps", "n_discriminators")
"""Options of the iterative schemes alone."""


@dataclass(frozen=True, kw_only=True)
class MetricOptions(Options):
    """Options of balancing by integral probability metrics."""

    ipm: str = choice("mmd", _METRICS, "the metric")
    form: str = choice("nonparametric", ("nonparametric", "parametric"), "a free weight per row, or weights exponential in "
                       "the columns")  # fmt: skip
    bandwidth: float | str | None = number(
        None, "of the Gaussian kernel on standardised columns, for the mmd; 10 unless given, and 10 sqrt(p / 4) with more than "
        "4 columns", low=0.0, open_low=True, also=("median", None),
    )  # fmt: skip
    slope: float | None = number(
        None, "steepest sigmoid of the sipm on standardised columns, 2 unless given: it climbs from 0.1 to 0.9 over 2.2 "
        "standard deviations; steeper ones see finer differences and leave the means less well balanced",
        low=0.0, high=1e300, open_low=True, also=(None,),
    )  # fmt: skip
    ridge: float | None = number(
        None, "price of the sum of squared weights beside bandwidth^2 MMD^2 or (4 / slope)^2 SIPM^2, which come close to the "
        "squared distance of the means where the functions are nearly linear, of nonparametric weights; 0.01 unless given",
        low=0.0, open_low=True, also=(None,),
    )  # fmt: skip
    optimizer: str | None = choice(
        None,
        ("exact", "adam"),
        "'adam' runs the authors' iteration; unless given the optimum, where the metric has a way to it",
    )
    tol: float | None = number(
        None, "optimality residual, 1e-9 unless given; for the sipm the share by which the objective may exceed its optimum, "
        "0.01", low=0.0, high=1.0, open_low=True, also=(None,),
    )  # fmt: skip
    max_iter: int = count(500, "most steps, for the sipm rounds")
    epochs: int | None = count(None, "steps of the weights in an iterative scheme; 1000 unless given", also=(None,))
    lr: float | None = number(
        None, "rate of the weights in an iterative scheme; 0.03 unless given", low=0.0, open_low=True, also=(None,)
    )
    lr_adv: float | None = number(
        None,
        "rate of the adversary; 0.003 for sigmoids, 0.3 for the wasserstein metric unless given",
        low=0.0,
        also=(None,),
    )
    adv_steps: int | None = count(None, "steps of the adversary per step of the weights; 5 unless given", also=(None,))
    n_discriminators: int | None = count(
        None, "sigmoids, or hidden units of the network behind the wasserstein metric; 100 unless given", also=(None,)
    )

    @property
    def iterated(self) -> bool:
        """Whether the weights come from an iterative scheme."""
        return self.optimizer == "adam" or (self.ipm == "wasserstein" and self.optimizer is None)

    def check(self) -> None:
        """Refuse options that the metric or the scheme would not read."""
        if self.ipm == "wasserstein" and self.optimizer == "exact":
            raise OptionError(
                "ipm='wasserstein' has only optimizer='adam'; leave optimizer= out, or choose 'mmd' or 'sipm'."
            )
        if self.ipm == "energy" and (self.optimizer == "adam" or self.form == "parametric"):
            raise OptionError("ipm='energy' has only optimizer='exact' and form='nonparametric'; leave both out.")
        given = [name for name in _SCHEME if getattr(self, name) is not None]
        if given and not self.iterated:
            raise OptionError(
                f"{', '.join(given)}: only the iterative schemes (optimizer='adam' or ipm='wasserstein') take these."
            )
        unread = {
            "bandwidth": self.ipm != "mmd",
            "slope": self.ipm != "sipm" or self.iterated,
            "ridge": self.iterated or self.form == "parametric",
            "tol": self.iterated or self.ipm == "energy",
        }
        for name, not_read in unread.items():
            if not_read and getattr(self, name) is not None:
                raise OptionError(f"{name}= means nothing for {self._words()}; leave it out.")

    def _words(self) -> str:
        scheme = ", optimizer='adam'" if self.iterated else ""
        return f"ipm={self.ipm!r}, form={self.form!r}{scheme}"


def estimate(problem: BalanceProblem, options: MetricOptions) -> BalanceSolution:
    """Weights that minimise an integral probability metric, mean one in each arm."""
    ridge = 0.01 if options.ridge is None else options.ridge
    if options.ipm == "energy":
        price = max(ridge, 1e-10) * 1e-2
        return energy(problem, EnergyOptions(improved=False, ridge=price, max_iter=options.max_iter))
    standard = standardised(problem)
    if options.iterated:
        scheme: dict[str, Any] = {name: getattr(options, name) for name in _SCHEME}
        width = bandwidth_of(standard, options.bandwidth) if options.ipm == "mmd" else 0.0
        return solve_iterated(standard, ipm=options.ipm, form=options.form, bandwidth=width, **scheme)
    if options.ipm == "sipm":
        return solve_sigmoid(
            standard,
            form=options.form,
            slope=2.0 if options.slope is None else options.slope,
            ridge=ridge,
            tol=0.01 if options.tol is None else options.tol,
            max_iter=options.max_iter,
        )
    tol = 1e-9 if options.tol is None else options.tol
    return solve_mmd(
        standard, form=options.form, width=options.bandwidth, ridge=ridge, tol=tol, max_iter=options.max_iter
    )


def standardised(problem: BalanceProblem) -> BalanceProblem:
    """The problem with columns of mean zero and standard deviation one; constant columns become zero."""
    s = problem.s / problem.s.sum()
    centred = problem.x - s @ problem.x
    sd = np.sqrt(s @ centred**2)
    return replace(problem, x=centred / np.where(sd > 0, sd, 1.0))


METHOD = BalanceMethod(
    verb="balance",
    name="ipm",
    estimate=estimate,
    options=MetricOptions,
    summary="weights that make each arm look like its target to a class of test functions",
    citation="Kong et al. (2023)",
    arxiv="2305.13715",
    guarantee="balances a class of test functions; standard errors by metric",
    vignette="balance-ipm",
    all_levels=lambda options: True,
    fixed="this integral probability metric has no root-n theory to expand them.",
    by_place=True,
)
