"""Resource Indicators for OAuth 2.0 (RFC 8707). No I/O."""

from collections.abc import Collection, Sequence

from idp.errors import InvalidTarget

PARAMETER = "resource"
"""May be repeated, in authorization and token requests."""


def resources_of(issuer: str) -> tuple[str, ...]:
    """Return every resource that tokens can be issued for.

    The issuer itself stands for all of them, for clients that name none.
    """
    return (issuer, f"{issuer}/partner/v1", f"{issuer}/agency/v1")


def parse_resources(asked: Sequence[str], *, known: Collection[str]) -> tuple[str, ...]:
    """Return the resources of an authorization request, without repetition.

    Raises:
        InvalidTarget: 400. One is not ours.
    """
    if any(resource not in known for resource in asked):  # RFC 8707, 2
        raise InvalidTarget
    return tuple(dict.fromkeys(asked))


def audience_for(asked: Sequence[str], *, granted: Sequence[str], issuer: str) -> tuple[str, ...]:
    """Return the audience of an access token.

    Args:
        asked: Resources in the token request; empty for everything that was granted.
        granted: Resources in the authorization request; empty for the issuer's own.
        issuer: Stands for all resources when none was named.

    Raises:
        InvalidTarget: 400. One was not granted.

    Source:
        RFC 8707, 2.2; RFC 9068, 3.
    """
    within = tuple(granted) or (issuer,)
    if not asked:
        return within
    allowed = resources_of(issuer) if issuer in within else within
    return parse_resources(asked, known=allowed)
