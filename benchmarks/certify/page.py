"""The lines of all studies as `benchmarks/COVERAGE.md`: a summary, then a section a family and a table a verb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.certify.studies import FAMILIES
from statinf.results.certified import CertifiedLine
from statinf.results.reach import reach_of

INSTEAD = {
    "CATECurve": "`method='dr'`",
    "DidFit": "more units: `method='dr'` held with 500",
    "DistributionFit": "iterations chosen on validation rows, or `si.conformal(..., score='normalised')` with the same learner",
    "HonestFit": "",
    "QuantileEnsemble": "`calibrate='cqr'`",
    "QuantileProcess": "`calibrate='cqr'` or `'dcp'`",
    "RdFit": "`method='honest'` with a bound, or `bandwidth='cerrd'`",
    "ShiftFit": "`method='mle'` if the model is right, `power=` below 1, fewer columns in `ratio_formula=`",
    "TargetMean": "`method='gcomp'` if the outcome model is right",
    "TransportFit": "`method='gformula'` if the outcome model is right",
    "CvarFit": "rows that the fit has not seen for VaR and CVaR; more rows in the tail",
    "OnlineIntervals": "`method='aci'` or `'dtaci'`",
    "StochasticFit": '`inference="multiplier"` or `"plugin"`',
}
"""What to use where intervals of a kind of result fall short and no other covariance of the same fit holds."""
HEAD = (
    "# Coverage of intervals, bands, sets and tests",
    "",
    "Written by `python -m benchmarks.certify` (`--list` names the studies; what was drawn is kept, and a run goes on from there). "
    "A cell is the share of the simulated samples in which an interval held the truth, or a set the new outcome, or a test at 5% a "
    "true hypothesis, with its Monte Carlo error. It holds if it lies within 3.29 errors, taken at the nominal coverage, or half "
    "a point of that; **bold** cells are too low, *slanted* ones too high (prediction sets promise at least their level, "
    "and one over their calibration rows more is no fault of theirs). `si.certificate(fit)` prints the lines that belong to a fit, "
    "and a summary says where a fit has fewer rows or clusters, or weaker overlap, than intervals of its kind held with.",
)


def page(lines: Sequence[CertifiedLine]) -> str:
    """The whole page."""
    text = [*HEAD, "", *_overview(lines), "", "## The worst, and what to use instead", "", *_worst(lines)]
    for family, verbs in FAMILIES.items():
        own = sorted((line for line in lines if line.verb in verbs), key=lambda line: verbs.index(line.verb))
        if own:
            text += ["", f"## {family}", "", *_table(own)]
    return "\n".join(text) + "\n"


def _overview(lines: Sequence[CertifiedLine]) -> list[str]:
    """Cells by family and verdict."""
    out = ["| family | cells | hold | too low | too high |", "|---|---:|---:|---:|---:|"]
    for family, verbs in FAMILIES.items():
        out.append(_counts(family, [line for line in lines if line.verb in verbs]))
    return [*out, _counts("all", lines)]


def _counts(name: str, lines: Iterable[CertifiedLine]) -> str:
    count = Counter(line.verdict for line in lines)
    cells = (sum(count.values()), *(count[verdict] for verdict in ("holds", "too low", "too high")))
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def _worst(lines: Sequence[CertifiedLine], most: int = 10) -> list[str]:
    """The largest shortfalls, one a method and kind of interval, at the largest size that was simulated below 1,001 rows."""
    out = ["| verb | method | interval | for | design | n | found | instead |", "|---|---|---|---|---|---:|---:|---|"]
    seen: set[tuple[str, ...]] = set()
    for line in sorted(lines, key=lambda entry: entry.found - entry.level):
        key = (line.result, line.method, line.kind)
        if line.verdict != "too low" or line.n < 200 or key in seen:
            continue
        seen.add(key)
        cells = (line.verb, line.method, line.kind, line.quantity, line.design, line.n, f"{line.found:.3f}")
        out.append(f"| si.{' | '.join(_plain(str(cell)) for cell in cells)} | {instead(line, lines)} |")
        if len(seen) == most:
            break
    return out


def instead(line: CertifiedLine, lines: Iterable[CertifiedLine]) -> str:
    """What holds where a line does not.

    Another interval that held for the same quantity, design and size; else the size from which this one held; else one that
    lies above its level; else advice.
    """
    name = line.quantity.split(",")[0]
    others = [
        other
        for other in lines
        if (other.design, other.n, other.quantity.split(",")[0]) == (line.design, line.n, name)
        and _loss(other) == _loss(line)
    ]
    if held := [other for other in others if other.verdict == "holds"]:
        return _named(line, held)
    if reach := reach_of(other for other in lines if _same(other, line)).rows:
        return f"more rows: it held from {reach:,}"
    if above := [other for other in others if other.verdict == "too high"]:
        return f"{_named(line, above)}, above its level"
    return INSTEAD.get(line.result, "")


def _named(line: CertifiedLine, others: Sequence[CertifiedLine]) -> str:
    """The one of `others` nearest to its level, of the line's own method where there is one, as it differs from the line."""
    same = [other for other in others if other.method == line.method and other.kind != line.kind]
    best = min(same or others, key=lambda other: abs(other.found - other.level))
    kind = best.kind if best.method == line.method else f"{best.method}, {best.kind}"
    what = best.quantity.removeprefix(line.quantity.split(",")[0]).strip(", ")
    return f"{kind}{f', {what}' if what else ''} ({best.found:.3f})"


def _loss(line: CertifiedLine) -> str:
    """The loss that a line names, "" where none is; another loss is another estimand."""
    before, named, _ = line.quantity.partition(" loss")
    return before.rpartition(" ")[2] if named else ""


def _same(one: CertifiedLine, other: CertifiedLine) -> bool:
    """Whether two lines are of one interval in one design."""
    names = ("result", "method", "kind", "quantity", "design")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _table(lines: Sequence[CertifiedLine]) -> list[str]:
    """The designs of a family, and one row an interval and design."""
    designs = list(dict.fromkeys((line.verb, line.design) for line in lines))
    out = [f"- {k}: {_plain(design)} ({_samples(lines, design)})" for k, (_, design) in enumerate(designs, 1)]
    out += [
        "",
        "| verb | design | method | interval | for | nominal | found, by rows | error |",
        "|---|---:|---|---|---|---:|---|---:|",
    ]
    rows: dict[tuple[Any, ...], list[CertifiedLine]] = {}
    for line in lines:
        design = designs.index((line.verb, line.design)) + 1
        rows.setdefault((design, line.method, line.kind, line.quantity, line.level), []).append(line)
    for (design, method, kind, quantity, level), own in sorted(rows.items()):
        cells = "; ".join(_cell(line) for line in sorted(own, key=lambda line: line.n))
        head = f"si.{own[0].verb} | {design} | {method} | {kind} | {_plain(quantity)} | {level:g}"
        out.append(f"| {head} | {cells} | {max(line.error for line in own):.3f} |")
    return out


def _plain(text: str) -> str:
    """Text without what would end a cell of a table."""
    return text.replace("|", "\\|")


def _samples(lines: Iterable[CertifiedLine], design: str) -> str:
    counts = sorted({line.samples + line.failed for line in lines if line.design == design})
    return f"{counts[0]:,} samples" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,} samples"


def _cell(line: CertifiedLine) -> str:
    """Rows and share of one size, as "200: 0.948 (20 clusters)"."""
    mark = {"holds": "", "too low": "**", "too high": "*"}[line.verdict]
    more = [f"{line.clusters} {'clusters' if 'clusters' in line.kind else 'units'}"] if line.clusters else []
    more += [f"{100 * line.share:.0f}% effective"] if line.share else []
    more += [f"{line.failed} refused"] if line.failed else []
    return f"{line.n:,}: {mark}{line.found:.3f}{mark}" + (f" ({', '.join(more)})" if more else "")
