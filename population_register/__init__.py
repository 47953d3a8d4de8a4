"""Persons, source records, matching, identifiers, life events."""
