"""The page of all vignettes' verdicts, ``REPRODUCED.md``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from statinf.vignette.catalog import Vignette
from statinf.vignette.effort import growth
from statinf.vignette.reproduced import Record

PAGE = "REPRODUCED.md"


def write_page(folder: str | Path, records: Iterable[Record], vignettes: Iterable[Vignette] = ()) -> Path:
    """Write the page of all records; returns the file.

    Parameters
    ----------
    folder : str or Path
    records : iterable of Record
    vignettes : iterable of Vignette
        The page says of each at which sizes it was run, and how long the size of its paper would take.
    """
    kept = sorted(records, key=lambda record: (record.name, record.size))
    lines = [line for record in kept for line in record.verdicts]
    text = [
        "# What the vignettes reproduce",
        "",
        "Written by `statinf reproduce --all`; a line per claim of a paper or number of other software, the claim beside",
        "what was found. What differs stays here, with its reason where one is known.",
        "",
        f"{len(kept)} runs, {len(lines)} claims: {sum(line.holds for line in lines)} hold, "
        f"{sum(not line.holds for line in lines)} differ.",
    ]
    text += _sizes(kept, list(vignettes))
    for record in kept:
        text += ["", *_section(record)]
    file = Path(folder) / PAGE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(text) + "\n", encoding="utf-8")
    return file


def _sizes(records: list[Record], vignettes: list[Vignette]) -> list[str]:
    """A line for each vignette: seconds at size reduced and full, or what full would take."""
    if not vignettes:
        return []
    known = {(record.name, record.size): record for record in records}
    out = [
        "",
        "## Sizes",
        "",
        "Seconds of one core, all threads together: what a machine with nothing else to do needs at most.",
    ]
    out += ["", "| vignette | size reduced | the paper's size |", "|---|---:|---|"]
    for vignette in vignettes:
        page, paper = (known.get((vignette.name, size)) for size in ("reduced", "full"))
        took = "not run" if page is None else f"{page.busy:.0f} s"
        out.append(f"| `{vignette.name}` | {took} | {_at_full_size(vignette, page, paper)} |")
    return out


def _at_full_size(vignette: Vignette, reduced: Record | None, full: Record | None) -> str:
    if full is not None:
        return f"{full.busy:.0f} s"
    low, high = growth(vignette)
    if high == 1.0:
        return "the same"
    if reduced is None:
        return "not run"
    few, many = (_minutes(reduced.busy * factor) for factor in (low, high))
    return f"not run, about {few} min" if few == many else f"not run, about {few} to {many} min"


def _minutes(seconds: float) -> str:
    return f"{max(1.0, seconds / 60.0):,.0f}"


def _section(record: Record) -> list[str]:
    run = f"`{record.name}`, size {record.size}, {record.busy:.0f} s of one core ({record.machine})."
    out = [f"## {record.title}", "", " ".join(record.about.split()), "", run]
    if record.error:
        return [*out, "", f"**The run failed:** {_cell(record.error)}"]
    if not record.verdicts:
        return [*out, "", "This page compares no numbers in a table of verdicts."]
    out += ["", "| claim | paper | here | tolerance | verdict | why |", "|---|---|---|---|---|---|"]
    for line in record.verdicts:
        word = line.verdict if line.holds else f"**{line.verdict}**"
        out.append(
            "| " + " | ".join(map(_cell, (line.claim, line.paper, line.ours, line.tolerance, word, line.reason))) + " |"
        )
    return out


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
