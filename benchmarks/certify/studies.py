"""Every study, in the order of the page."""

from __future__ import annotations

from benchmarks.certify import (
    averages,
    balancing,
    conforming,
    discontinuities,
    generalised,
    heterogeneous,
    identified,
    levels,
    limited,
    regressions,
    shifting,
    streams,
    testing,
    treatments,
)
from benchmarks.certify.study import Study

STUDIES: tuple[Study, ...] = (*regressions.STUDIES, *generalised.STUDIES, *limited.STUDIES, *treatments.STUDIES, *averages.STUDIES, *heterogeneous.STUDIES, *identified.STUDIES, *discontinuities.STUDIES, *balancing.STUDIES, *shifting.STUDIES, *levels.STUDIES, *conforming.STUDIES, *testing.STUDIES, *streams.STUDIES)
