"""`python -m benchmarks.certify [NAME ...] [--samples 1000]`: run the studies, and write the certificates.

A study goes on where it stopped: what was drawn is kept after every hundred samples. Written are `benchmarks/COVERAGE.md`
and `statinf/results/certificates.json`, from which `si.certificate` reads.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from pathlib import Path

from benchmarks.certify.page import page
from benchmarks.certify.records import RECORDS
from benchmarks.certify.studies import STUDIES
from benchmarks.certify.study import Study
from statinf.results.certified import RECORDS as FILE
from statinf.results.certified import recorded

PAGE = Path(__file__).resolve().parents[1] / "COVERAGE.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certify", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="studies to run; all by default")
    parser.add_argument("--samples", type=int, default=1000, help="of each size (default: %(default)s)")
    parser.add_argument("--sizes", type=int, metavar="K", help="the first K sizes of a study alone")
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
                study.run(options.samples, sizes=options.sizes)
                write(STUDIES)
    write(STUDIES)


def write(studies: Iterable[Study]) -> None:
    """Write the page and the record that the package reads."""
    lines = [line for source in (*studies, *RECORDS) for line in source.lines()]
    FILE.write_text(recorded(tuple(lines)), encoding="utf-8")
    PAGE.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
