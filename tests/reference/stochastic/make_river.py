"""Write `river_adwin.json`: where river's ADWIN (0.26.1) cuts two series, run as `python make_river.py` with river installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

N = 4000
CASES = [
    (kind, delta, buckets) for kind in ("normal", "binary") for delta, buckets in ((0.002, 5), (0.05, 5), (0.002, 3))
]


def series(kind: str) -> np.ndarray:
    """Means .2, .5, .3, .8 for a thousand rows each."""
    random = np.random.default_rng(1)
    mean = np.repeat([0.2, 0.5, 0.3, 0.8], N // 4)
    if kind == "binary":
        return (random.random(N) < mean).astype(float)
    return np.round(mean + 0.1 * np.repeat([1, 2, 1, 3], N // 4) * random.normal(size=N), 6)


def main() -> None:
    from river._river_rust.drift import AdaptiveWindowing  # type: ignore[import-not-found]
    from river.drift import ADWIN  # type: ignore[import-not-found]

    found = []
    for kind, delta, buckets in CASES:
        keep = AdaptiveWindowing(delta=delta, clock=32, max_buckets=buckets, min_window_length=5, grace_period=10)
        kept = [i for i, v in enumerate(series(kind).tolist()) if keep.update(v)]
        reset = ADWIN(delta=delta, max_buckets=buckets)
        cut = []
        for i, v in enumerate(series(kind).tolist()):
            reset.update(v)
            if reset.drift_detected:
                cut.append(i)
        found.append(
            {
                "kind": kind,
                "delta": delta,
                "max_buckets": buckets,
                "keep": kept,
                "reset": cut,
                "width": keep.get_width(),
                "variance": keep.variance_in_window,
            }
        )
    (Path(__file__).parent / "river_adwin.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
