"""Effects of many levels that a regression absorbs: columns less their projection on the levels of several factors."""
