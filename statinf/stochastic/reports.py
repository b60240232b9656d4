"""What the summary and the glance of an averaged fit say of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statinf.stochastic.fit import StochasticFit


def glance_items(fit: StochasticFit) -> dict[str, Any]:
    """Statistics of the whole fit, by name."""
    s = fit.run.settings
    return {
        "nobs": fit.nobs, "averaged": fit.averaged, "burn_in": s.burn_in, "replicas": s.replicas, "c0": s.c0, "k0": s.k0,
        "power": s.power, "relaxations": fit.diagnosed["relaxations"],
    }  # fmt: skip


def title(fit: StochasticFit) -> str:
    """Heading of the summary."""
    s = fit.run.settings
    if fit.method.startswith("td"):
        return f"Averaged temporal differences, {fit.method.upper()}"
    kind = {"squared": "least squares", "poisson": "Poisson loss"}.get(s.loss, f"{s.loss} loss")
    if s.loss == "quantile":
        kind += f" at {s.tau:g}"
    if any(p.role == "instruments" for p in fit.run.reader.recipe.parts):
        kind = "instruments"
    return f"Averaged stochastic approximation, {kind}"


def summary_facts(fit: StochasticFit) -> dict[str, Any]:
    """What stands above the coefficients."""
    s = fit.run.settings
    facts = {
        "Rows": fit.nobs,
        "Averaged": f"{fit.averaged} (after burn-in of {s.burn_in})",
        "Steps": f"{s.c0:.4g} / ({s.k0:g} + k)^{s.power:.3g}",
        "Relaxation times": fit.diagnosed["relaxations"],
    }
    if fit.interval == "sequential":
        facts["Intervals"] = f"at every look, narrowest at {s.look} averaged rows"
    return facts
