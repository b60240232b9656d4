"""``statinf reproduce``: run a vignette and write its page, or run them all and write what they found."""

from __future__ import annotations

import argparse
import sys
import time


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
    from statinf.vignette.reproduced import is_current, read_records, record_of, sources, write_page

    folder, failed = options.out, 0
    known = read_records(folder)
    waiting = sources(options.name)
    for place, source in enumerate(waiting, 1):
        old = known.get((source.name, level))
        if old is not None and is_current(old, source) and not options.again:
            continue
        print(f"running {source.name} at size {level} ({place} of {len(waiting)}) ...", file=sys.stderr)
        made = record_of(source, level)
        made.save(folder)
        known[source.name, level] = made
        failed += bool(made.error)
        # written after each of them, so that work which is interrupted leaves a whole page
        write_page(folder, known.values())
    print(write_page(folder, known.values()))
    return 1 if failed else 0
