"""What regressions on data that are read in blocks share: the formula read, and the covariance that is asked for."""

from __future__ import annotations

from typing import Any

from statinf.errors import OptionError
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.regression import check_has_columns
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.design import is_estimated


def regression_passes(
    formula: str,
    table: BlockTable,
    kinds: Any,
    settings: Any,
    spec: VcovSpec,
    vcov: Any,
    *,
    weights: Any,
    cluster: Any,
    **reading: Any,
) -> tuple[PassDesign, Any]:
    """The design of a regression, and its covariance as asked: the stacked one by default with estimated weights.

    Parameters
    ----------
    kinds : VcovKinds
        The covariances of the fit.
    settings : Options
        With `weights_kind`.
    spec, vcov
        The covariance as read, and as given.
    **reading
        As `read_passes` takes it.
    """
    if settings.weights_kind != "precision":
        raise OptionError("weights_kind: data that are read in blocks take 'precision' weights; fit rows in memory.")
    if is_estimated(weights):
        spec = vcov = VcovSpec.read(vcov, cluster, kinds, stacked=True)
    made = read_passes(formula, table, weights=weights, cluster=cluster_columns(spec, cluster), **reading)
    check_has_columns(len(made.names))
    return made, vcov
