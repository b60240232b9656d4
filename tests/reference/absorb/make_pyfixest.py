"""Write ``pyfixest.json``: regressions with absorbed effects by pyfixest on statinf's bundled wage panel.

Run with pyfixest 0.60 from the repository's root; statinf need not be installed.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

VCOVS: tuple[Any, ...] = ("iid", "hetero", {"CRV1": "nr"}, {"CRV1": "occupation"}, {"CRV1": "nr + year"})
MODELS = {
    "lm": "lwage ~ union + married + expersq",
    "poisson": "hours ~ union + married",
    "iv": "lwage ~ expersq",
}
EFFECTS = ("nr", "nr + year", "nr^occupation + year")


def main() -> None:
    import pandas as pd
    import pyfixest as pf
    from pyfixest.demeaners import MapDemeaner

    warnings.simplefilter("ignore")
    root = Path(__file__).parents[3]
    data = pd.read_csv(root / "statinf" / "datasets" / "data" / "wage_panel.csv.gz")
    data["weight"] = 1.0 + data["educ"] % 3
    cases = []
    tight: dict[str, Any] = {"demeaner": MapDemeaner(fixef_tol=1e-11, fixef_maxiter=100_000)}
    for model, formula in MODELS.items():
        for effects in EFFECTS:
            for vcov in VCOVS:
                for weights in (None, "weight"):
                    written = f"{formula} | {effects}" + (" | union ~ married + hours" if model == "iv" else "")
                    if model == "poisson":
                        fit: Any = pf.fepois(written, data, vcov=vcov, weights=weights, iwls_tol=1e-13, **tight)
                    else:
                        fit = pf.feols(written, data, vcov=vcov, weights=weights, **tight)
                    cases.append(
                        {"model": model, "formula": written, "effects": effects, "vcov": vcov, "weights": weights}
                        | {"nobs": int(fit._N), "coef": fit.coef().to_dict(), "se": fit.se().to_dict()}
                    )
    found = {"software": f"pyfixest {version('pyfixest')}", "data": "wage_panel", "cases": cases}
    (Path(__file__).parent / "pyfixest.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
