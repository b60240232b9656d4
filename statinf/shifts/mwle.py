"""Importance-weighted maximum likelihood.

Shimodaira (2000, Journal of Statistical Planning and Inference 90); Ge, Tang, Fan, Ma and Jin (2024, arXiv 2311.15961):
source rows weighted by p_T(x) / p_S(x) estimate the target's best fit, right model or not. The estimand is
``argmin E_T[-log f(y | x)]``; it needs a source that covers the target. Where the ratio is estimated by a parametric
method, its error enters the standard errors through the stacked estimating function.
"""

from __future__ import annotations

from typing import Any

from statinf.results import Fit
from statinf.shifts import mle

CITATION = "importance-weighted likelihood (Shimodaira 2000; Ge, Tang, Fan, Ma and Jin 2024)"
NEEDS_RATIO = True


def fit(formula: str, source: Any, ratio: Any, **options: Any) -> Fit:
    """The weighted fit; the stacked sandwich by default."""
    if options["vcov"] is None and options["cluster"] is None:
        # An estimated ratio without influence values counts as known, and the label has to say so.
        assumed = hasattr(ratio, "used") and ratio.derivative is None
        options["vcov"] = "fixed" if assumed else "HC0"
    return mle.regress(formula, source, **(options | {"weights": ratio}))
