"""Several fits taken together: one covariance over all their coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.errors import DataError, OptionError, StatinfWarning, issue_warning
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.internal import internal
from statinf.results.fit import Fit
from statinf.results.matched import common_rows

KINDS = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0",), cluster_type="HC0")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Joint(Fit):
    """Several fits on the same data frame with the covariance between them.

    Attributes
    ----------
    fits : tuple of Fit
    names : tuple of str
        The prefix of each fit's coefficients; a file may lack it.
    """

    fits: tuple[Fit, ...]
    names: tuple[str, ...] = ()
    weights_rows: np.ndarray | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = KINDS

    @property
    @internal
    def normal_reference(self) -> bool:  # type: ignore[override]
        return all(np.isinf(fit.cov.df) for fit in self.fits)

    def moments(self) -> Moments:
        rows, total = _joint_influence(self.fits)
        used = rows.any(axis=1)
        return Moments(total[used], np.eye(total.shape[1]), int(used.sum()), self.df_resid)

    def drawn_codes(self, name: str) -> np.ndarray:
        return _codes(self.fits, name, np.asarray(_joint_influence(self.fits)[0].any(axis=1)))

    def with_vcov(self, vcov: Any) -> Joint:
        if self.design is None:
            return super().with_vcov(vcov)
        return joint(*self.fits, vcov=vcov, names=self.names)


def joint(*fits: Fit, vcov: Any = None, names: Sequence[str] | None = None) -> Joint:
    """The joint distribution of several fits on the same data frame, from their influence values.

    Parameters
    ----------
    *fits : Fit
        Made on the same data frame; their rows may differ.
    vcov : {"HC0"} or mapping, optional
        "HC0", or `{"cluster": "column"}`. By default the cluster column that all the fits have in common, else "HC0".
    names : sequence of str, optional
        A prefix for each fit's coefficients; "1", "2", ... by default.

    Returns
    -------
    Joint
        A `Fit` with the coefficients of all; `test` compares across fits.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> both = si.joint(si.lm("mpg ~ wt", data), si.lm("qsec ~ wt", data), names=["mpg", "qsec"])
    >>> both.terms
    ('mpg: Intercept', 'mpg: wt', 'qsec: Intercept', 'qsec: wt')
    """
    if len(fits) < 2:
        raise OptionError("joint() takes at least two fits.")
    strange = [f for f in fits if not isinstance(f, Fit)]
    if strange:
        raise OptionError(
            f"joint() takes fits with influence values; a {type(strange[0]).__name__} has none. "
            "Give results of si.lm, si.glm, si.effect and the like."
        )
    for fit in fits:
        fit._join()
    labels = list(names) if names is not None else [str(i + 1) for i in range(len(fits))]
    if len(labels) != len(fits) or len(set(labels)) != len(fits):
        raise OptionError(f"names must give each of the {len(fits)} fits a name of its own.")
    spec = VcovSpec.read(_shared_kind(fits) if vcov is None else vcov, kinds=KINDS)
    present, total = _joint_influence(fits)
    df = min(f.df_resid for f in fits)
    normal = all(np.isinf(f.cov.df) for f in fits)
    if spec.clusters:
        found = _clustered_joint(fits, spec, present, total, normal)
    else:
        found = Covariance(total.T @ total, "HC0", "HC0, joint", np.inf if normal else df)
    return Joint(
        method="joint",
        formula="; ".join(f.formula for f in fits),
        nobs=int(present.any(axis=1).sum()),
        terms=tuple(
            f"{label}: {t}"
            for label, f in zip(labels, fits, strict=True)
            for t, ok in zip(f.terms, f.estimable, strict=True)
            if ok
        ),
        theta=np.concatenate([f.theta[f.estimable] for f in fits]),
        cov=found,
        df_resid=df,
        kind=fits[0].kind,
        design=fits[0].design,
        fits=tuple(fits),
        names=tuple(labels),
    )


def _shared_kind(fits: Sequence[Fit]) -> Any:
    """The clusters of all the fits where they are the same, else HC0; one warning where that takes away what a fit allows for."""
    kinds = [fit._undrawn_kind for fit in fits]
    asked = [kind for kind in kinds if isinstance(kind, Mapping)]
    if not asked:
        return "HC0"
    names = [kind.get("cluster") for kind in asked]
    name = names[0]
    in_data = isinstance(name, str) and all(f.design is not None and name in f.design.frame.names for f in fits)
    if in_data and len(asked) == len(kinds) and all(other == name for other in names):
        return {"cluster": name}
    issue_warning(
        "the fits allow for dependence between rows, though not for one that they share, and are taken together as if rows "
        "were independent (HC0); give vcov={'cluster': 'column'} for groups of rows.",
        StatinfWarning,
    )
    return "HC0"


def _joint_influence(fits: Sequence[Fit]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of the largest frame each fit uses, shape (n, fits), and all influences, shape (n, sum q)."""
    designs = [f._need_rows("joint covariances") for f in fits]
    base, places = common_rows(designs)
    n = designs[base].n_total
    present = np.zeros((n, len(fits)), dtype=bool)
    blocks = []
    for j, (fit, design, place) in enumerate(zip(fits, designs, places, strict=True)):
        moments = fit.moments()
        block = np.zeros((n, moments.q))
        block[place[design.rows]] = moments.influence
        # A row of weight zero is absent, unless the weights of others were estimated from it.
        counted = np.ones(design.n, bool) if moments.observed is None else moments.observed
        present[place[design.rows], j] = counted | moments.influence.any(axis=1)
        if moments.outside is not None:
            if moments.outside_rows is None:
                raise DataError(
                    "a fit in which a second sample takes part, such as a target, cannot be taken together with others."
                )
            if moments.outside_rows.max(initial=-1) >= design.n_total:
                raise DataError(
                    "a fit on some rows of the frame that its weights were made on cannot be taken together with others; "
                    "make all on that frame."
                )
            rows = place[moments.outside_rows]
            block[rows] += moments.outside @ moments.bread.T
            present[rows, j] = True
        blocks.append(block)
    return present, np.concatenate(blocks, axis=1)


def _clustered_joint(
    fits: Sequence[Fit], spec: VcovSpec, present: np.ndarray, total: np.ndarray, normal: bool
) -> Covariance:
    if len(spec.clusters) != 1:
        raise OptionError("joint covariances take one cluster column: vcov={'cluster': 'column'}.")
    name = spec.clusters[0]
    used = np.asarray(present.any(axis=1))
    codes = _codes(fits, name, used)
    moments = Moments(total[used], np.eye(total.shape[1]), int(used.sum()), np.inf)
    return covariance(moments, spec.asked, {name: codes}, normal=normal)


def _codes(fits: Sequence[Fit], name: str, used: np.ndarray) -> np.ndarray:
    """Codes from 0 of a column on the rows of the largest frame that any fit uses."""
    design = max((f._need_rows("joint covariances") for f in fits), key=lambda d: d.n_total)
    found = design.frame.categories(name).codes[used]
    if (found < 0).any():
        raise DataError(f"the cluster column '{name}' is missing in {int((found < 0).sum())} rows used by the fits.")
    return np.unique(found, return_inverse=True)[1]
