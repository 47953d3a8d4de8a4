"""Accounts, authenticators, sessions, OAuth 2 and OpenID Connect."""
