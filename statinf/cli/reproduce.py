"""``statinf reproduce``: run a vignette and write its page, or run them all and write what they found."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from statinf.vignette.catalog import Vignette
    from statinf.vignette.reproduced import Record


def run(options: argparse.Namespace) -> int:
    from statinf.vignette import available, find, render, size

    level = "full" if options.full else size()
    if options.all:
        return _all(options, level)
    if options.name is None:
        for vignette in available():
            print(f"{vignette.name:<24} {vignette.title}")
        return 0
    source = find(options.name)
    print(f"running {source.name} at size {level} ...", file=sys.stderr)
    begun = time.perf_counter()
    page = render(source, options.to, out=options.out, size=level)
    print(f"{page} ({time.perf_counter() - begun:.1f} s)")
    return 0


def _all(options: argparse.Namespace, level: str) -> int:
    """Every vignette, one after another; those whose record is up to date are left alone."""
    from statinf.optional import MissingPackageError
    from statinf.vignette.reproduced import is_current, read_records, record_of, sources
    from statinf.vignette.reproduced_page import write_page

    folder, failed = options.out, 0
    known = read_records(folder)
    pages = sources()
    waiting = [
        source
        for source in _affordable(sources(options.name), known, options.within if level == "full" else None)
        if options.again or (source.name, level) not in known or not is_current(known[source.name, level], source)
    ]
    for place, source in enumerate(waiting, 1):
        print(f"running {source.name} at size {level} ({place} of {len(waiting)}) ...", file=sys.stderr, flush=True)
        try:
            made = record_of(source, level)
        except MissingPackageError as missing:
            print(missing, file=sys.stderr)
            failed += 1
            continue
        made.save(folder)
        known[source.name, level] = made
        failed += bool(made.error)
        # written after each of them, so that work which is interrupted leaves a whole page
        write_page(folder, known.values(), pages)
    print(write_page(folder, known.values(), pages))
    return 1 if failed else 0


def _affordable(
    vignettes: list[Vignette], known: Mapping[tuple[str, str], Record], minutes: float | None
) -> list[Vignette]:
    """Those whose paper's size takes no more than some minutes by what their page took, the shortest first."""
    from statinf.vignette.effort import growth

    if minutes is None:
        return vignettes
    took = {
        v.name: known[v.name, "reduced"].busy / 60.0 * growth(v)[1] for v in vignettes if (v.name, "reduced") in known
    }
    return sorted((v for v in vignettes if took.get(v.name, float("inf")) <= minutes), key=lambda v: took[v.name])
