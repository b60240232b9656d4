"""Limited-information maximum likelihood and Fuller's modification (Anderson and Rubin 1949; Fuller 1977).

The same estimand as two-stage least squares. LIML is median-unbiased to a higher order with weak or many
instruments; Fuller's version has finite moments. Both are members of the k-class.
"""

from __future__ import annotations

from statinf.effects.instruments import System, liml_kappa

CITATION = "limited-information maximum likelihood (Anderson and Rubin 1949; Fuller 1977)"


def kappa(made: System, fuller: float = 0.0) -> float:
    """LIML's kappa, less `fuller` over the degrees of freedom of the first stage."""
    return liml_kappa(made) - fuller / made.df_first
