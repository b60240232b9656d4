"""Times of events: partial likelihoods."""
