"""Consent: what may be shared, with whom, what for, until when; and the ruling on a read."""
