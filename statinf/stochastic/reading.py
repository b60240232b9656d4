"""What readers of regressions and of transitions share: blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from statinf.stochastic.rows import StreamRows


@dataclass(frozen=True)
class StreamBlock:
    """Rows before preconditioning, and the rows lost, by cause."""

    rows: StreamRows
    dropped: dict[str, int] = field(default_factory=dict)
