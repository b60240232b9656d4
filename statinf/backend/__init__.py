"""The one float64 boundary between NumPy and JAX, devices, seeds, padding and memory-bounded batches.

Importing this package imports no JAX; the first kernel call does.
"""

from statinf.backend.batching import chunks, rows_per_chunk
from statinf.backend.buckets import bucket, pad_axis, pad_rows
from statinf.backend.device import (
    accelerated,
    devices,
    enable_compile_cache,
    enforce_device,
    set_device,
)
from statinf.backend.kernel import Kernel, kernel, x64
from statinf.backend.progress import progress_bar
from statinf.backend.seeds import generator, key
from statinf.backend.sharding import row_sharded_sum
from statinf.backend.threads import cores, map_threads, one_blas_thread, row_blocks

__all__ = [
    "Kernel",
    "accelerated",
    "bucket",
    "chunks",
    "cores",
    "devices",
    "enable_compile_cache",
    "enforce_device",
    "generator",
    "kernel",
    "key",
    "map_threads",
    "pad_axis",
    "pad_rows",
    "progress_bar",
    "one_blas_thread",
    "row_blocks",
    "row_sharded_sum",
    "rows_per_chunk",
    "set_device",
    "x64",
]
