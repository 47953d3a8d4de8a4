"""Use cases of the partner API, one module each kind."""
