"""How sure we are of a person: levels, and the `acr` and `amr` that tell a client. No I/O.

The levels are those of ESIA. A level says how the account was proven to be the person's; `amr`
says how they signed in just now.
"""

from collections.abc import Sequence
from enum import IntEnum

from idp.errors import UnmetAuthenticationRequirements


class AssuranceLevel(IntEnum):
    """Levels of an account, ascending: each includes those below."""

    SIMPLIFIED = 1  # somebody chose a name and a password
    STANDARD = 2  # name, birth date and SNILS were found in the register
    CONFIRMED = 3  # identity was proven in person, by mail, through a bank or by a signature

    @property
    def acr(self) -> str:
        """The Authentication Context Class Reference of this level."""
        return _ACR_OF[self]


_ACR_OF = {
    AssuranceLevel.SIMPLIFIED: "urn:civitas:assurance:simplified",
    AssuranceLevel.STANDARD: "urn:civitas:assurance:standard",
    AssuranceLevel.CONFIRMED: "urn:civitas:assurance:confirmed",
}
_LEVEL_OF = {acr: level for level, acr in _ACR_OF.items()}

ACR_VALUES: tuple[str, ...] = tuple(_LEVEL_OF)
"""Every `acr` there is, lowest first."""

PASSWORD = ("pwd",)
"""`amr` of a sign-in by password (RFC 8176, 2)."""


def level_of(acr: str) -> AssuranceLevel | None:
    """Return the level that `acr` names; None if it is not one of ours."""
    return _LEVEL_OF.get(acr)


def acr_for(level: AssuranceLevel, acr_values: Sequence[str]) -> str:
    """Return the `acr` to state for an account of `level`.

    Args:
        level: What the account has.
        acr_values: What the client prefers, in its order (OpenID Connect Core, 3.1.2.1).

    Returns:
        The first preferred value that the level includes; the level's own when none is preferred
        or reached: `acr_values` is a wish, and the truth is told either way.
    """
    for acr in acr_values:
        wanted = _LEVEL_OF.get(acr)
        if wanted is not None and wanted <= level:
            return acr
    return level.acr


def has_essential_acr(level: AssuranceLevel, essential: Sequence[str]) -> bool:
    """Tell whether an account reaches an `acr` that the client called essential.

    Source:
        OpenID Connect Core, 5.5.1.1.
    """
    return not essential or any(
        (wanted := _LEVEL_OF.get(acr)) is not None and wanted <= level for acr in essential
    )


def check_essential_acr(level: AssuranceLevel, essential: Sequence[str]) -> None:
    """Hold an account against an `acr` that the client called essential.

    Raises:
        UnmetAuthenticationRequirements: 400. The level includes none of them.
    """
    if not has_essential_acr(level, essential):
        raise UnmetAuthenticationRequirements(level=level.name)
