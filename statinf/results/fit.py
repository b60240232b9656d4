"""`Fit`: the one kind of result of every root-n estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, StatinfWarning, issue_warning
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.internal import internal
from statinf.results.certified import weights_told
from statinf.results.clusters import fit_clusters
from statinf.results.estimate import Estimate, Passage
from statinf.results.estimated import Estimated


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fit(Estimated):
    """Estimated coefficients with a covariance that can be changed after the fit.

    It is born by `Fit.of`. Every method returns a new object; none changes this one.

    Attributes
    ----------
    design : Design or None
        The rows of the fit, with the caller's frame by reference; not saved.
    source : callable or None
        Makes the `Moments` of the estimate from the rows; not saved.
    covary : callable or None
        Makes a covariance from its normal form where it is not the sandwich of the moments; not saved.
    redraw : callable or None
        Makes bootstrap draws where rows are read in blocks, as `Estimate` has it; not saved.
    weighted : tuple of str
        What weights the rows have: the method of estimated ones and what it was asked for, "given", or nothing.
    """

    design: Design | None = field(default=None, metadata={"saved": False})
    source: Callable[[], Moments] | None = field(default=None, metadata={"saved": False})
    covary: Callable[[Any], Covariance] | None = field(default=None, metadata={"saved": False})
    redraw: Callable[..., Any] | None = field(default=None, metadata={"saved": False})
    weighted: tuple[str, ...] = ()

    vcov_kinds: ClassVar[VcovKinds] = VcovKinds()
    """The covariances that this kind of fit has, and its default."""

    # --- birth --------------------------------------------------------------------------------------------

    @classmethod
    @internal
    def of(
        cls, design: Design | Passage, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None
    ) -> Self:
        """The fit of an estimate, with its covariance.

        Parameters
        ----------
        design : Design or Passage
        estimate : Estimate
        vcov : str, mapping or VcovSpec, optional
            As the caller asked for it. A default that does not exist for this estimate leaves the standard errors out,
            with a warning; one that was asked for raises.
        method : Method
        cluster : str, sequence of str, or array, optional

        Raises
        ------
        OptionError
            If the covariance is not known.
        NotIdentifiedError
            If it was asked for and does not exist.
        """
        rows = design if isinstance(design, Design) else None
        spec = cls._asked(vcov, cluster, None if rows is None else rows.weights_object)
        draft = cls(
            method=method.name or method.verb,
            formula=design.recipe.formula,
            citation=method.reference,
            nobs=estimate.nobs,
            terms=estimate.terms,
            theta=estimate.theta,
            cov=_without(estimate.theta, "none"),
            df_resid=estimate.df_resid,
            recipe=design.recipe,
            kind=design.kind,
            dropped=design.dropped,
            design=rows,
            facts=estimate.facts,
            # Made once for the covariance and for what is looked at beside it; not kept with the fit.
            source=None if estimate.source is None else cache(estimate.source),
            covary=estimate.covary,
            redraw=estimate.redraw,
            weighted=_weighted(design) if isinstance(design, Design) else design.weighted,
            **estimate.extra,
        )
        born = replace(draft, cov=draft._first_covariance(spec))
        born._examine()
        return replace(born, source=estimate.source)

    @classmethod
    def _asked(cls, vcov: Any, cluster: Any, weights: Any) -> VcovSpec:
        """The covariance asked for; where none is, the default, which weights that were estimated may raise from HC0 to another."""
        kinds = cls.vcov_kinds
        spec = VcovSpec.read(vcov, cluster, kinds, stacked=weights is not None)
        if weights is None or spec.explicit or spec.kind != "HC0" or weights.errors not in kinds.names:
            return spec
        return replace(spec, kind=weights.errors)

    def _first_covariance(self, spec: VcovSpec) -> Covariance:
        """The covariance that the fit is born with; a default gives way where it does not exist."""
        if spec.explicit:
            return self._spelled(spec)
        try:
            return self._spelled(spec)
        except NotIdentifiedError as error:
            names = [kind for kind in self.vcov_kinds.names if self._exists(kind)]
            there = ", ".join(map(repr, (*names, *self.vcov_kinds.shorthand))) or "none"
            issue_warning(
                f"standard errors are left out: {str(error).rstrip('.')}. Covariances that exist here: {there}.",
                StatinfWarning,
            )
            return _without(self.theta, f"left out, as {spec.kind} does not exist here; there are {there}")

    def _exists(self, kind: str) -> bool:
        try:
            return bool(np.isfinite(self._covariance(kind).matrix).all())
        except (NotIdentifiedError, DataError):
            return False

    def _spelled(self, spec: VcovSpec) -> Covariance:
        found = self._covariance(spec.asked)
        return replace(found, label=f"{found.label} ('{spec.spelled}')") if spec.spelled else found

    # --- what a family supplies ---------------------------------------------------------------------------

    @internal
    def moments(self) -> Moments:
        """Scores and bread of the estimating function; needs the rows of the fit."""
        if self.source is None:
            self._need_rows("scores")
            self.refuse("influence")
        return self.source()

    def _join(self) -> None:
        """Refuse where limits from the covariance alone, as of fits taken together, leave out what this fit counts."""

    def _examine(self) -> None:
        """Warn of what the covariance that the fit is born with cannot judge."""

    @internal
    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        """Coefficients from replica weights; for methods that can be refitted in batches."""
        raise NotIdentifiedError(f"'{self.method}' has no refitting bootstrap; use kind='multiplier'.")

    @internal
    def wild_influence(self) -> np.ndarray:
        """Influence of residuals with flipped signs; for linear regressions."""
        raise NotIdentifiedError(
            f"the wild bootstrap is for linear regressions; use kind='multiplier' for '{self.method}'."
        )

    @internal
    def drawn_codes(self, name: str) -> np.ndarray:
        """Codes from 0 of the clusters that a bootstrap draws, one for each row of the influence values."""
        return self._need_rows("bootstrap draws").cluster_codes(name)

    # --- covariance ---------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with another covariance.

        Parameters
        ----------
        vcov : str or mapping
            "iid", "HC0" to "HC3", "HC4", "HC4m", "HC5", "fixed" (estimated weights taken as known);
            `{"cluster": "column"}`, `{"cluster": ["a", "b"], "type": "HC1"}`, or with "type" "CR2", which has Satterthwaite's
            degrees of freedom; `{"hac": lags, "time": "column"}`, `{"driscoll-kraay": lags, "time": "column"}` or
            `{"conley": kilometres, "latitude": "column", "longitude": "column"}` ; `statinf.lm` lists what
            goes with each. Columns are looked up in the data of the fit.

        Raises
        ------
        OptionError
            If it is not known.
        NotIdentifiedError
            If this estimator does not have it.
        DataError
            If it needs the rows and the fit was saved or made lean without them.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("invest ~ value + capital", si.datasets.load("grunfeld"))
        >>> few = fit.with_vcov({"cluster": "firm", "type": "CR2"})
        >>> few.cov.label, few.cov.each.round(1).tolist()
        ('clustered by firm (CR2, Satterthwaite df)', [7.2, 2.4, 2.9])
        >>> fit.with_vcov({"driscoll-kraay": 3, "time": "year"}).std_errors.round(4).to_dict()
        {'Intercept': 11.2235, 'value': 0.0129, 'capital': 0.0513}
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if self.design is None and self.covary is None:
            return replace(self, cov=self._kept(spec.asked), draws=None)
        return replace(self, cov=self._spelled(spec), draws=None)

    def _covariance(self, kind: Any) -> Covariance:
        if self.covary is not None:
            return self.covary(kind)
        clusters = fit_clusters(self.design, kind) if self.design is not None else None
        return covariance(self.moments(), kind, clusters, normal=self.normal_reference)

    @property
    def _undrawn(self) -> Covariance:
        """The covariance that the fit has, or had before its bootstrap."""
        return self.cov if self.draws is None else self.kept_covariances.get("before bootstrap", self.cov)

    @property
    def _undrawn_kind(self) -> Any:
        """Its kind in normal form: what is made of rows anew has that."""
        return self._undrawn.kind

    def _counted(self, found: Covariance, kind: Any, moments: Callable[[], Moments]) -> Covariance:
        """The covariance of the fit, or of what is made of it, with degrees of freedom as this kind of fit counts them."""
        del kind, moments
        return found

    def _kept(self, kind: Any) -> Covariance:
        if isinstance(kind, str) and kind in self.kept_covariances:
            return self.kept_covariances[kind]
        held = [k for k in self.kept_covariances if k in self.vcov_kinds.names]
        raise DataError(
            f"vcov={kind!r} needs the rows of the fit, which a saved or lean fit leaves out; it holds {', '.join(held) or 'none'}."
        )

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row used, shape (n, q): the estimate's error is about their sum.

        The covariance HC0 is their cross-product, and n times a row is the influence function at that row.
        """
        if self.source is None:
            self._need_rows("influence values")
        return self.moments().influence

    def _need_rows(self, what: str) -> Design:
        if self.design is None:
            raise DataError(
                f"{what} need the rows of the fit, which a saved or lean fit and one of data read in blocks leave out; fit again, "
                "on rows in memory."
            )
        return self.design

    # --- functions of coefficients and draws --------------------------------------------------------------

    def transform(self, function: Callable[[Mapping[str, Any]], Any] | str, names: Any = None) -> Fit:
        """Smooth functions of the coefficients by the delta method.

        Parameters
        ----------
        function : callable or str
            From a mapping of coefficient names to numbers, to a number, a sequence, or a mapping of names to numbers;
            or an expression such as "wt / hp".
        names : sequence of str, optional
            Names of the results; keys of the mapping, or f1, f2, ...

        Returns
        -------
        Fit
            Covariances, tests, bootstrap and further functions work on it.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + I(wt**2)", si.datasets.load("mtcars"))
        >>> lowest = fit.transform(lambda b: {"turning point": -b["wt"] / (2 * b["I(wt ** 2)"])})
        >>> lowest.terms
        ('turning point',)
        """
        from statinf.results.transforming import transformed

        return _Plain(**transformed(self, function, names), normal=self.normal_reference, kinds=self.vcov_kinds)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """The same fit with bootstrap draws; see `statinf.results.resample.bootstrap`."""
        from statinf.results.resample import bootstrap

        return bootstrap(self, replicas, kind, **options)

    # --- size ---------------------------------------------------------------------------------------------

    def lean(self) -> Self:
        """The same fit without its rows; the covariances iid and HC0 to HC3 stay available."""
        if self.design is None:
            return self
        kept = dict(self.kept_covariances)
        for kind in self.vcov_kinds.names:
            if self._exists(kind):
                kept[kind] = self._covariance(kind)
        cov = replace(self.cov, degrees=None)
        return replace(self, design=None, source=None, covary=None, kept_covariances=kept, cov=cov)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _Plain(Fit):
    """A fit with the reference distribution and the covariances of the fit that it was made from."""

    normal: bool = False
    kinds: VcovKinds = field(default_factory=VcovKinds)

    @property
    def vcov_kinds(self) -> VcovKinds:  # type: ignore[override]
        """The covariances of the fit that it was made from."""
        return self.kinds

    @property
    @internal
    def normal_reference(self) -> bool:  # type: ignore[override]
        return self.normal


def _weighted(design: Design) -> tuple[str, ...]:
    weights = design.weights_object
    return () if weights is None and (design.weights == 1.0).all() else weights_told(weights)


def _without(theta: np.ndarray, label: str) -> Covariance:
    """No covariance: NaN for every coefficient that is not aliased."""
    q = int(np.count_nonzero(~np.isnan(theta)))
    return Covariance(np.full((q, q), np.nan), "none", label, np.nan)
