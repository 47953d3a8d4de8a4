"""Composition root: knows everything, is known by nobody."""
