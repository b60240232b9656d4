"""The plain regressions that everything else leans on."""
