"""Purposes, the catalogue of shareable items, consents, receipts, decisions."""
