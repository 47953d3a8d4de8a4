"""Sealed documents: streaming, versions, signatures, export, shredding."""
