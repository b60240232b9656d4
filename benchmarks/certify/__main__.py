"""`python -m benchmarks.certify [NAME ...] [--samples 1000]`: run the studies, and write the certificates.

A study goes on where it stopped: what was drawn is kept after every hundred samples. Written are `benchmarks/COVERAGE.md`
and `statinf/results/certificates.json`, from which `si.certificate` reads.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.certify.studies import STUDIES
from benchmarks.certify.study import Study
from statinf.results.certificate import RECORDS, CertifiedLine

PAGE = Path(__file__).resolve().parents[1] / "COVERAGE.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certify", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="studies to run; all by default")
    parser.add_argument("--samples", type=int, default=1000, help="of each size (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="name the studies and stop")
    options = parser.parse_args()
    known = {study.name: study for study in STUDIES}
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"no study named {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if options.list:
        print("\n".join(f"{name:<28} {study.design}" for name, study in known.items()))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, study in known.items():
            if not options.names or name in options.names:
                study.run(options.samples)
                write(STUDIES)
    write(STUDIES)


def write(studies: Iterable[Study]) -> None:
    """Write the page and the record that the package reads."""
    lines = [line for study in studies for line in study.lines()]
    RECORDS.write_text("[\n" + ",\n".join(json.dumps(asdict(line)) for line in lines) + "\n]\n", encoding="utf-8")
    PAGE.write_text(page(lines), encoding="utf-8")


def page(lines: list[CertifiedLine]) -> str:
    """All lines as Markdown, one table per verb and design."""
    verdicts = [line.verdict for line in lines]
    text = [
        "# Coverage of intervals",
        "",
        "Written by `python -m benchmarks.certify`. Of so many samples, the share in which the interval held the truth, with its",
        "Monte Carlo error. A share holds if it lies within 3.29 errors of the nominal coverage; **bold** ones are too low,",
        "*slanted* ones too high. `si.certificate(fit)` prints the lines that belong to a fit.",
        "",
        f"{len(lines)} cells: {verdicts.count('holds')} hold, {verdicts.count('too low')} are too low, "
        f"{verdicts.count('too high')} too high.",
    ]
    for verb in dict.fromkeys(line.verb for line in lines):
        text += ["", f"## si.{verb}"]
        for design in dict.fromkeys(line.design for line in lines if line.verb == verb):
            own = [line for line in lines if (line.verb, line.design) == (verb, design)]
            samples = "; ".join(sorted({f"{line.samples + line.failed} samples" for line in own}))
            text += ["", f"{design[0].upper()}{design[1:]} ({samples}).", "", *_table(own)]
    return "\n".join(text) + "\n"


def _table(lines: list[CertifiedLine]) -> list[str]:
    """One row an interval, one column a size."""
    sizes = sorted({(line.n, line.clusters) for line in lines})
    heads = [f"n = {n}" + (f", {clusters} clusters" if clusters else "") for n, clusters in sizes]
    out = [
        "| method | interval | for | nominal | " + " | ".join(heads) + " |",
        "|---|---|---|---:|" + "---:|" * len(sizes),
    ]
    found = {(line.method, line.kind, line.quantity, line.level, line.n, line.clusters): line for line in lines}
    for key in sorted({key[:4] for key in found}):
        cells = " | ".join(_cell(found.get((*key, *size))) for size in sizes)
        out.append(f"| {key[0]} | {key[1]} | {key[2]} | {key[3]:g} | {cells} |")
    return out


def _cell(line: CertifiedLine | None) -> str:
    if line is None:
        return ""
    share = {"holds": f"{line.found:.3f}", "too low": f"**{line.found:.3f}**", "too high": f"*{line.found:.3f}*"}[
        line.verdict
    ]
    return f"{share} ({line.error:.3f})" + (f", {line.failed} refused" if line.failed else "")


if __name__ == "__main__":
    main()
