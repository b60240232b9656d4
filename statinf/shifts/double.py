"""Double weighting for covariate shift where neither sample covers the other.

Segovia-Martin, Mazuelas and Liu (2023, ICML, arXiv 2305.08637): in place of one ratio, weights b(x) on source rows and
0 <= a(x) <= 1 on target rows under which both have the same mean embedding in a Gaussian kernel space,

    minimise  |sum_i b_i k(x_i, .) / n - sum_j a_j k(x_j, .) / t|^2 + ridge sum_i b_i^2 / n^2
    over      0 <= b <= bound / sqrt(D),  0 <= a <= 1,  |a - 1| <= (1 - 1 / sqrt(D)) sqrt(t),  |mean b - mean a| <= eps.

D = 1 leaves a = 1, which is kernel mean matching; an infinite D has b = 1; between the two target rows that the source
does not cover get a small a in place of a large b. The estimand is b / mean(a), the density ratio of that part of the
target which the source reaches. The ridge makes the weights unique and defines them for new rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results.options import Options, flag, number, value
from statinf.shifts.double_program import DoubleProgram
from statinf.shifts.double_ratio import DoubleRatio
from statinf.shifts.kernels import BANDWIDTH, SCALE, one_bandwidth
from statinf.shifts.ratio_estimate import RatioEstimate, RatioMethod
from statinf.shifts.samples import Samples

DEFAULT_D = 4.0


def check_width(name: str, given: Any) -> Any:
    """'nn50', 'median' or a positive number."""
    return given if isinstance(given, str) and given == "nn50" else one_bandwidth(name, given)


@dataclass(frozen=True, kw_only=True)
class ProgramOptions(Options):
    """Options of the quadratic programme."""

    bandwidth: Any = value(
        None,
        f"{BANDWIDTH}; by default 'nn50', the mean distance to the 50th nearest row of both samples",
        "None, 'nn50', 'median' or a positive number",
        check_width,
    )
    scale: bool = flag(True, SCALE)
    ridge: float = number(
        1.0, "penalty on the squared weights; 0, the paper's, leaves weights that are not unique", low=0
    )
    bound: float = number(1000.0, "largest b at D = 1", low=0, open_low=True)
    eps: float | None = number(
        None, "largest gap between the means of b and a; by default 1 - 1 / sqrt(n)", low=0, also=(None,)
    )


@dataclass(frozen=True, kw_only=True)
class DoubleOptions(ProgramOptions):
    """Options of double weights."""

    D: float = number(
        DEFAULT_D, "by how much the effective sample size may grow over that of D = 1, the ratio itself; infinite for no end",
        low=1, infinite=True,
    )  # fmt: skip


def estimate(samples: Samples, options: DoubleOptions) -> RatioEstimate:
    """Solve the quadratic programme."""
    return estimate_of(DoubleProgram.of(samples, options), samples, options.D)


def estimate_of(program: DoubleProgram, samples: Samples, D: float, found: Any = None) -> RatioEstimate:
    """The weights of a programme at one D.

    Raises
    ------
    OptionError
        If the bounds leave no weights.
    """
    if program.eps is not None and np.isfinite(D) and program.bound / np.sqrt(D) < 1.0 / np.sqrt(D) - program.eps:
        raise OptionError(
            f"bound={program.bound!r} is below the mean weight that eps={program.eps!r} asks for; raise it."
        )
    found = program.solve(D) if found is None else found
    risks = program.risks(found)
    facts = {
        "mean a": risks["mean_alpha"],
        "effective target rows": risks["ess_alpha"],
        "MMD^2 of the pair": found.discrepancy,
        "worst-case risk": risks["worst_case_risk"],
    }
    settings = {"D": D, "bandwidth": program.bandwidth, "ridge": program.ridge}
    return RatioEstimate(
        program.rule(found, D),
        found.beta / risks["mean_alpha"],
        settings,
        facts=facts,
        extra={
            "D": D,
            "alpha": samples.on_target(found.alpha),
            "mean_alpha": risks["mean_alpha"],
            "discrepancy": found.discrepancy,
            "worst_case_risk": risks["worst_case_risk"],
            "program": program,
            "estimand": "the target population" if D == 1.0 else "the part of the target that the source reaches",
        },
    )


METHOD = RatioMethod(
    verb="density_ratio",
    name="double",
    estimate=estimate,
    options=DoubleOptions,
    result=DoubleRatio,
    summary="double weighting: weights on source and target rows under which their mean embeddings agree, for samples neither "
    "of which covers the other",
    citation="Segovia-Martin, Mazuelas and Liu (2023)",
    arxiv="2305.08637",
    guarantee="least worst-case mean square error at its D; unique by its ridge",
    vignette="double-weighting",
    traits={"weights doubled": "weights count rows, and against more of them the ridge weighs less"},
)
