"""Order statistics over blocks are those of a sort, in few passes and bounded memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.passes import order, read_passes


def _numbers(block: Any) -> np.ndarray:
    return np.column_stack([block.y, -block.y])


def _ranks(share: float, n: int) -> tuple[int, int]:
    return max(1, int(share * n)), max(1, int((1 - share) * n))


@pytest.mark.parametrize("kind", ["normal", "sorted", "ties", "huge", "infinite"])
def test_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "KEPT", 40)
    rng = np.random.default_rng(2)
    y = {
        "normal": rng.normal(size=3000),
        "sorted": np.sort(rng.normal(size=3000)),
        "ties": rng.integers(-3, 4, 3000).astype(float),
        "huge": rng.normal(size=3000) * 10.0 ** rng.integers(-300, 300, 3000),
        "infinite": rng.normal(size=3000),
    }[kind]
    made = read_passes("y ~ 1", si.blocks(pd.DataFrame({"y": y}), rows=250))
    for share in (0.001, 0.5, 0.9, 1.0):
        values, count = order.order_statistics(made, _numbers, partial(_ranks, share))
        assert count == 3000
        expected = [np.sort(v)[k - 1] for v, k in zip((y, -y), _ranks(share, 3000), strict=True)]
        np.testing.assert_array_equal(values, expected)
    values, _ = order.order_statistics(made, _numbers, lambda n: (n + 1, 1))
    assert np.isinf(values[0]) and values[1] == (-y).min()
