"""Faults at the access log use the log's keys."""

from tests.audit.conftest import open_signing

__all__ = ["open_signing"]
