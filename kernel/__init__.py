"""Small, boring modules that every context stands on. Nothing here knows a domain word."""
