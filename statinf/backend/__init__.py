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
    on_devices,
    set_device,
    shared_devices,
    sharing,
)
from statinf.backend.hosts import host_number, host_part, over_hosts
from statinf.backend.kernel import Kernel, kernel, x64
from statinf.backend.progress import counted_bar, progress_bar, reporting
from statinf.backend.seeds import generator, key
from statinf.backend.sharding import map_rows, over_models, row_sharded_sum, split_over, weighted_sums
from statinf.backend.threads import cores, map_threads, one_blas_thread, one_thread, row_blocks

__all__ = [
    "Kernel",
    "accelerated",
    "bucket",
    "chunks",
    "cores",
    "counted_bar",
    "devices",
    "enable_compile_cache",
    "enforce_device",
    "generator",
    "host_number",
    "host_part",
    "kernel",
    "key",
    "map_rows",
    "map_threads",
    "on_devices",
    "one_blas_thread",
    "one_thread",
    "over_hosts",
    "over_models",
    "pad_axis",
    "pad_rows",
    "progress_bar",
    "reporting",
    "row_blocks",
    "row_sharded_sum",
    "rows_per_chunk",
    "set_device",
    "shared_devices",
    "sharing",
    "split_over",
    "weighted_sums",
    "x64",
]
