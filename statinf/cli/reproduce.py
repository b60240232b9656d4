"""``statinf reproduce``: run a vignette and write its page."""

from __future__ import annotations

import argparse
import sys
import time


def run(options: argparse.Namespace) -> int:
    from statinf.vignette import available, find, render, size

    if options.name is None:
        for vignette in available():
            print(f"{vignette.name:<24} {vignette.title}")
        return 0
    source = find(options.name)
    level = "full" if options.full else size()
    print(f"running {source.name} at size {level} ...", file=sys.stderr)
    begun = time.perf_counter()
    page = render(source, options.to, out=options.out, size=level)
    print(f"{page} ({time.perf_counter() - begun:.1f} s)")
    return 0
