"""Queries of idp, one function each, by what they are about."""
