"""Effects with instruments that may affect the outcome directly."""
