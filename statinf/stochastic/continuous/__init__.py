"""Values of states of diffusions from paths on a grid: `si.ctd`."""
