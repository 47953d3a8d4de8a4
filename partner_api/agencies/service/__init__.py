"""Use cases of agencies, one function each."""
