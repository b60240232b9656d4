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

from typing import Any

import numpy as np

from statinf.balancing.arms import Sample, Solution
from statinf.balancing.ipm_mmd import bandwidth_of, solve_mmd
from statinf.errors import OptionError, one_of

CITATION = "integral probability metric balancing (Kong et al. 2023)"
ALL_LEVELS = True
BY_PLACE = True
FIXED = "this integral probability metric has no root-n theory to expand them."

MORE_OPTIONS = ("epochs", "lr", "lr_adv", "adv_steps", "n_discriminators")
METRICS = ("mmd", "sipm", "wasserstein", "energy")
FORMS = ("nonparametric", "parametric")


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    ipm: str = "mmd",
    form: str = "nonparametric",
    bandwidth: float | str | None = None,
    slope: float = 2.0,
    ridge: float = 0.01,
    optimizer: str | None = None,
    tol: float | None = None,
    max_iter: int = 500,
    seed: int = 0,
    **adversary: Any,
) -> Solution:
    """Weights that minimise an integral probability metric, mean one in each arm.

    Parameters
    ----------
    sample : Sample
    estimand : {"ATE", "ATT", "ATC"}
    ipm : {"mmd", "sipm", "wasserstein", "energy"}
    form : {"nonparametric", "parametric"}
    bandwidth : float or "median", optional
        Of the Gaussian kernel on standardised columns; 10 by default, and ``10 sqrt(p / 4)`` with more than 4 columns.
    slope : float
        Steepest sigmoid of ``"sipm"``, on standardised columns: a sigmoid of slope 2 climbs from 0.1 to 0.9 over 2.2
        standard deviations. Steeper ones see finer differences and leave the means less well balanced.
    ridge : float
        Price of the sum of squared weights beside ``bandwidth^2 MMD^2`` or ``(4 / slope)^2 SIPM^2``, both of which come
        close to the squared distance of the means where the functions are nearly linear; nonparametric only.
    optimizer : {"exact", "adam"}, optional
        "adam" reruns the authors' iteration; by default the optimum is found, where the metric has a way to it.
    tol : float, optional
        Optimality residual, 1e-9; for ``"sipm"`` the share by which the objective may exceed its optimum, 0.01.
    max_iter : int
    seed : int
        Of the iterative schemes and of the starts from which sigmoids are sought.
    **adversary
        Options of the iterative schemes: ``epochs``, ``lr``, ``lr_adv``, ``adv_steps``, ``n_discriminators``.
    """
    one_of("ipm", ipm, METRICS)
    one_of("form", form, FORMS)
    optimizer = one_of("optimizer", optimizer or ("adam" if ipm == "wasserstein" else "exact"), ("exact", "adam"))
    if ipm == "wasserstein" and optimizer == "exact":
        raise OptionError(
            "ipm='wasserstein' has only optimizer='adam'; leave optimizer= out, or choose 'mmd' or 'sipm'."
        )
    if ipm == "energy":
        from statinf.balancing.energy import solve as energy

        return energy(sample, estimand, improved=False, penalty=max(ridge, 1e-10) * 1e-2, max_iter=max_iter)
    standard = standardised(sample)
    if optimizer == "adam":
        from statinf.balancing.ipm_adversarial import solve_iterated

        width = bandwidth_of(standard, bandwidth) if ipm == "mmd" else 0.0
        return solve_iterated(standard, estimand, ipm=ipm, form=form, bandwidth=width, seed=seed, **adversary)
    if adversary:
        raise OptionError(
            f"{', '.join(adversary)}: only the iterative schemes (optimizer='adam' or ipm='wasserstein') take these."
        )
    if not ridge > 0.0:
        raise OptionError(f"ridge={ridge!r} must be positive: without it the program has no unique solution.")
    if ipm == "sipm":
        from statinf.balancing.ipm_sigmoid import solve_sigmoid

        gap = 0.01 if tol is None else tol
        return solve_sigmoid(
            standard, estimand, form=form, slope=slope, ridge=ridge, tol=gap, max_iter=max_iter, seed=seed
        )
    tol = 1e-9 if tol is None else tol
    return solve_mmd(standard, estimand, form=form, width=bandwidth, ridge=ridge, tol=tol, max_iter=max_iter)


def standardised(sample: Sample) -> Sample:
    """The sample with columns of mean zero and standard deviation one; constant columns become zero."""
    s = sample.s / sample.s.sum()
    centred = sample.x - s @ sample.x
    sd = np.sqrt(s @ centred**2)
    return Sample(centred / np.where(sd > 0, sd, 1.0), sample.treated, sample.s, sample.names)
