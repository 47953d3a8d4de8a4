"""The citizen's personal account and the operator's desk: pages."""
