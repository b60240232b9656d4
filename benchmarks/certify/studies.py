"""Every study, in the order of the page."""

from __future__ import annotations

from benchmarks.certify import limited, regressions, treatments
from benchmarks.certify.study import Study

STUDIES: tuple[Study, ...] = (*regressions.STUDIES, *limited.STUDIES, *treatments.STUDIES)
