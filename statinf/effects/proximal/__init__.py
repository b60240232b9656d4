"""Effects with proxies of an unmeasured confounder."""
