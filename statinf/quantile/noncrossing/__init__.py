"""Non-crossing quantile processes by neural networks: `si.quantile_process`."""
