"""Options of `si.rd`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from statinf.effects.discontinuity.bandwidths import SELECTORS
from statinf.errors import OptionError, nearest
from statinf.numerics.localpoly.kernels import ALIASES, KERNELS
from statinf.results.options import Options, choice, count, flag, number, value


def check_kernel(kernel: Any) -> str:
    """The name of a kernel."""
    plain = ALIASES.get(kernel.lower(), kernel.lower()) if isinstance(kernel, str) else kernel
    if not isinstance(plain, str) or plain not in KERNELS:
        choices = ", ".join(map(repr, KERNELS))
        raise OptionError(f"kernel={kernel!r} is not known; choose one of {choices}.{nearest(str(kernel), [*KERNELS])}")
    return plain


def check_cutoff(cutoff: Any, name: str = "cutoff") -> float:
    """A finite number."""
    if not isinstance(cutoff, Real) or isinstance(cutoff, bool | np.bool_) or not np.isfinite(float(cutoff)):
        raise OptionError(f"{name}={cutoff!r} is not a number, such as {name}=0.")
    return float(cutoff)


def widths(name: str, given: Any) -> tuple[float, float]:
    """One positive number for both sides, or one for each."""
    both = (given, given) if isinstance(given, Real) else tuple(given) if _is_pair(given) else ()
    fine = [isinstance(one, Real) and not isinstance(one, bool | np.bool_) and 0 < float(one) < np.inf for one in both]
    if len(both) != 2 or not all(fine):
        raise OptionError(
            f"{name}={given!r} is not a positive number, or a pair of them for the left and the right side."
        )
    return float(both[0]), float(both[1])


def _is_pair(given: Any) -> bool:
    return isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and len(given) == 2


def check_bandwidth(name: str, given: Any) -> Any:
    """The name of a selector, or widths."""
    if isinstance(given, str):
        if given not in SELECTORS:
            raise OptionError(
                f"{name}={given!r} is not known; give a number, a pair (left, right), or one of "
                f"{', '.join(map(repr, SELECTORS))}.{nearest(given, SELECTORS)}"
            )
        return given
    return widths(name, given)


@dataclass(frozen=True, kw_only=True)
class RobustOptions(Options):
    """Options of local polynomials with robust bias correction."""

    deriv: int = count(0, "derivative whose jump is the effect: 0 for a jump, 1 for a kink", low=0, high=4)
    order: int | None = count(None, "of the local polynomial; deriv + 1 by default", low=0, high=6, also=(None,))
    bias_order: int | None = count(
        None, "of the polynomial that estimates the bias; order + 1 by default", low=1, high=7, also=(None,)
    )
    bandwidth: Any = value(
        "mserd",
        "how it is chosen (smallest mean squared error: one for both sides, two, for the sum of both limits, or combinations "
        "of these; cer... for the smallest error of coverage), or the bandwidth",
        f"one of {', '.join(map(repr, SELECTORS))}, a number, or a pair (left, right)",
        check_bandwidth,
    )
    bias_bandwidth: Any = value(
        None, "of the polynomial that estimates the bias, beside a given bandwidth", "a number or a pair", widths
    )
    rho: float | None = number(None, "bandwidth over bias_bandwidth", low=0.0, open_low=True, also=(None,))
    scaleregul: float = number(1.0, "scale of the regularisation of chosen bandwidths; 0 for none", low=0.0)
    masspoints: str = choice("adjust", ("adjust", "check", "off"), "what is done about values that many rows share")
    bwcheck: int | None = count(
        None, "distinct values on each side that pilot bandwidths have to cover", low=1, also=(None,)
    )
    sharpbw: bool = flag(False, "choose bandwidths of a fuzzy design for the jump of the outcome alone")
    neighbours: int = count(3, "rows that estimate the variance at a row, for vcov='NN'")

    @property
    def orders(self) -> tuple[int, int]:
        """Orders of the estimate and of its bias."""
        p = self.deriv + 1 if self.order is None else self.order
        return p, p + 1 if self.bias_order is None else self.bias_order

    def check(self) -> None:
        p, q = self.orders
        if p < self.deriv:
            raise OptionError(f"order={p} has no derivative deriv={self.deriv}; order must be at least deriv.")
        if q <= p:
            raise OptionError(f"bias_order={q} must be above order={p}.")
        if self.bias_bandwidth is not None and isinstance(self.bandwidth, str):
            raise OptionError("bias_bandwidth= goes with a bandwidth= in numbers; for a chosen one give rho= instead.")
        if self.bias_bandwidth is not None and self.rho is not None:
            raise OptionError("rho= and bias_bandwidth= exclude each other; give one.")
