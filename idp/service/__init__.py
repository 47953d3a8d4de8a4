"""Use cases of idp, one module each kind: load, decide, save."""
