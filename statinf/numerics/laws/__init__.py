"""Random laws: multipliers, normal mixtures, highest-density sets."""
