"""Write the documentation into a folder: vignettes with an index, and the API reference below ``api``."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

from statinf.errors import StatinfError
from statinf.optional import need
from statinf.vignette import available, build_index, render

# What a user holds in hand beside the verbs: fits, tables, data, and the pieces for a method of one's own
PARTS = (
    "statinf.results",
    "statinf.datasets",
    "statinf.vignette",
    "statinf.formula",
    "statinf.learners",
    "statinf.inference",
)

# Results that verbs return, each in the module of its class
RESULTS = (
    "statinf.models.linear_fit",
    "statinf.models.generalized_fit",
    "statinf.models.anova_result",
    "statinf.inference.hypotheses",
    "statinf.inference.inverted_test",
    "statinf.results.reassigned",
    "statinf.models.absorbed",
    "statinf.models.absorbed_lm",
    "statinf.models.absorbed_glm",
    "statinf.results.collection",
    "statinf.models.multinomial_fit",
    "statinf.models.ordered_fit",
    "statinf.models.tobit_fit",
    "statinf.quantile.fit",
    "statinf.quantile.penalised.result",
    "statinf.quantile.ensemble_result",
    "statinf.quantile.noncrossing.result",
    "statinf.quantile.stack",
    "statinf.quantile.censored.fit",
    "statinf.quantile.cvar.fit",
    "statinf.quantile.expectile.fit",
    "statinf.quantile.cvar.tail_risk",
    "statinf.quantile.presto.result",
    "statinf.quantile.presto.fit",
    "statinf.quantile.ngboost.fit",
    "statinf.quantile.ngboost.scoring",
    "statinf.conformity.result",
    "statinf.conformity.predictive_system",
    "statinf.conformity.class_result",
    "statinf.conformity.selection.result",
    "statinf.conformity.veracity.result",
    "statinf.conformity.veracity.clean_fit",
    "statinf.conformity.multicalibration.result",
    "statinf.conformity.multicalibration.fitted",
    "statinf.balancing.weights",
    "statinf.balancing.training.result",
    "statinf.balancing.missing.fit",
    "statinf.balancing.arm_weights",
    "statinf.balancing.dose_weights",
    "statinf.balancing.balance_table_result",
    "statinf.effects.effect_fit",
    "statinf.effects.arm_means_fit",
    "statinf.effects.tmle_fit",
    "statinf.effects.matching_fit",
    "statinf.effects.dose_fit",
    "statinf.results.certificate",
    "statinf.results.pipeline",
    "statinf.results.margins.result",
    "statinf.results.margins.by_row",
    "statinf.effects.policy",
    "statinf.effects.distributional.findings",
    "statinf.effects.distributional.fit",
    "statinf.effects.discontinuity.cutoff_fit",
    "statinf.effects.discontinuity.fit",
    "statinf.effects.discontinuity.honest_fit",
    "statinf.effects.discontinuity.several",
    "statinf.effects.discontinuity.bins",
    "statinf.effects.discontinuity.checks",
    "statinf.effects.discontinuity.covariate_balance",
    "statinf.effects.manipulation.findings",
    "statinf.effects.manipulation.fit",
    "statinf.effects.did.fit",
    "statinf.effects.did.path_fit",
    "statinf.effects.visits.fit",
    "statinf.effects.visits.intensity",
    "statinf.effects.qte_fit",
    "statinf.effects.absorbed_iv",
    "statinf.effects.ivqr_fit",
    "statinf.effects.cate_fit",
    "statinf.effects.cate_curve",
    "statinf.effects.iv_fit",
    "statinf.effects.invalid.fit",
    "statinf.effects.proximal.bridge_fit",
    "statinf.effects.proximal.curve_fit",
    "statinf.stochastic.fit",
    "statinf.stochastic.renewable_fit",
    "statinf.stochastic.stream_groups",
    "statinf.stochastic.lstd_fit",
    "statinf.stochastic.continuous.fit",
    "statinf.stochastic.monitoring.result",
    "statinf.stochastic.continuous.nonlinear_fit",
    "statinf.conformity.online.result",
    "statinf.conformity.forecasts.result",
    "statinf.shifts.ratio",
    "statinf.shifts.double_ratio",
    "statinf.shifts.shift_fit",
    "statinf.shifts.heterogeneous_fit",
    "statinf.shifts.minimax_fit",
    "statinf.shifts.dro_fit",
    "statinf.shifts.target_mean_fit",
    "statinf.shifts.pooled_mean",
    "statinf.shifts.target_shift",
    "statinf.shifts.labels.result",
    "statinf.shifts.transport.fit",
)

INTRO = (
    "Each page is a Quarto document that was run top to bottom. Reference: [verbs](api/statinf.html), "
    + ", ".join(f"[{part.split('.')[-1]}](api/{part.replace('.', '/')}.html)" for part in PARTS)
    + ". Results: "
    + ", ".join(f"[{part.removeprefix('statinf.')}](api/{part.replace('.', '/')}.html)" for part in RESULTS)
    + "."
)


def main(folder: Path) -> None:
    pdoc = need("pdoc", "the API reference")
    configure = need("pdoc.render", "the API reference").configure
    cache = folder / ".cache"
    vignettes = available()
    for vignette in vignettes:
        print(render(vignette.path, out=folder, cache=cache), flush=True)
    if vignettes:
        print(build_index(folder, intro=INTRO))
    # Names are imported when they are first used; pdoc would take a family's folder for the verb of the same name.
    for module in map(importlib.import_module, ("statinf", *PARTS)):
        for name in getattr(module, "__all__", ()):
            module.__dict__.setdefault(name, getattr(module, name))
    # types imported for the checker alone stay unlinked names
    warnings.filterwarnings("ignore", message="Error parsing type annotation")
    # No formulas: they would come from a script on another server.
    configure(docformat="numpy", math=False, template_directory=Path(__file__).parent / "reference")
    others = [part for part in PARTS if part.split(".")[1] not in importlib.import_module("statinf").__all__]
    pdoc.pdoc("statinf", *others, *RESULTS, output_directory=folder / "api")
    print(folder / "api" / "statinf.html")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/_build"))
    except StatinfError as error:
        sys.exit(f"{sys.argv[0]}: {error}")
