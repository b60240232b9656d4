"""What simulations found about the intervals of a verb."""

from __future__ import annotations

from statinf.results.certified import certified

FEW = 12
_NONE = (
    "No simulation of coverage has been kept for what this verb returns. Where a result prints intervals all the same, "
    "`si.certificate(fit)` says that no simulation has looked at them."
)


def certificates(verb: str, estimates: bool) -> list[str]:
    """Markdown of the section; nothing for a verb that estimates nothing, such as `si.table`."""
    lines = [line for line in certified() if line.verb == verb]
    if not lines:
        return ["## Certificate", _NONE] if estimates else []
    verdicts = [line.verdict for line in lines]
    count = f"{verdicts.count('holds')} of {len(lines)} hold their level within the simulation's error"
    below = verdicts.count("too low")
    said = f"{count}{f', {below} cover less' if below else ''}."
    rows = [
        f"| {line.method} | {line.kind} | {line.quantity} | {line.design} | {line.n:,} | {line.clusters or ''} | "
        f"{line.level:g} | {line.found:.3f} ± {line.error:.3f} | {_mark(line.verdict)} |"
        for line in lines
    ]
    head = "| Method | Interval | Of | Design | n | Clusters | Level | Found | Verdict |\n|---|---|---|---|--:|--:|--:|--:|---|\n"
    table = head + "\n".join(rows)
    intro = (
        "How often intervals held the truth in simulations, with the Monte Carlo error; "
        f"`si.certificate(fit)` prints the lines that belong to a fit. {said}"
    )
    if len(lines) > FEW:
        folded = "\n".join("    " + line for line in table.splitlines())
        return ["## Certificate", intro, f'??? abstract "{len(lines)} simulations"\n\n{folded}']
    return ["## Certificate", intro, table]


def _mark(verdict: str) -> str:
    return f'<span class="verdict {verdict.replace(" ", "-")}">{verdict}</span>'
