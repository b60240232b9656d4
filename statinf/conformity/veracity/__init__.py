"""Which recorded numbers are likely wrong. The verb is `statinf.veracity` (`si.veracity`)."""
