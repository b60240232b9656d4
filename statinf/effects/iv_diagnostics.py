"""What the summary of a linear model with instruments says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.effects import overid, weak_iv
from statinf.effects.iv_rows import IVRows
from statinf.effects.linear_iv import LinearIV
from statinf.inference.dependent import is_dependent
from statinf.inference.distributions import chi2_sf

if TYPE_CHECKING:
    from statinf.effects.iv_pass_rows import PassForms


def diagnostics(solution: LinearIV, rows: IVRows | PassForms, kind: Any, j: float) -> dict[str, float]:
    """Strength of the instruments, exogeneity of the treatment, and validity of the extra instruments.

    Parameters
    ----------
    solution : LinearIV
    rows : IVRows or PassForms
    kind : str or mapping
        The covariance of the fit in normal form, for the first stage.
    j : float
        Hansen's criterion where the method minimises it; NaN for Sargan's.
    """
    small, out = solution.system, {}
    if small.c == 1:
        robust = kind if isinstance(kind, dict) or kind in ("HC0", "HC1") else "HC1"
        found = rows.reduced_form(np.array([1.0, 0.0]), robust)
        s = weak_iv.first_stage(small, 0, found.matrix, found.df)
        out |= {"first_stage_f": s.robust_f, "effective_f": s.effective_f}
    else:
        out["cragg_donald"] = weak_iv.cragg_donald(small)
    out["wu_hausman_p"] = overid.wu_hausman(small).p_value
    if small.b > small.c:
        if np.isfinite(j):
            # The criterion takes rows, or clusters, for independent.
            out |= {} if is_dependent(kind) else {"hansen_p": chi2_sf(j, small.b - small.c)}
        else:
            out["sargan_p"] = overid.sargan(small, solution.beta).p_value
    return out
