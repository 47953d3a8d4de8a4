"""Where learning starts: what one person, a household and twins are like in records. No I/O."""

from collections.abc import Mapping

from population_register.comparison import NAME_ORDER, SOURCE
from population_register.matching_model import Feature

_M = {
    "name": (0.86, 0.05, 0.025, 0.015, 0.005, 0.015, 0.01, 0.02),
    "date": (0.90, 0.015, 0.035, 0.014, 0.006, 0.01, 0.02),
    "number": (0.90, 0.02, 0.04, 0.01, 0.03),
    "mailbox": (0.70, 0.05, 0.07, 0.03, 0.15),
    "category": (0.97, 0.03),
    "text": (0.75, 0.1, 0.05, 0.1),
    "quantity": (0.80, 0.1, 0.05, 0.05),
    "place": (0.70, 0.06, 0.05, 0.05, 0.02, 0.05, 0.07),
    "dwelling": (0.60, 0.12, 0.05, 0.03, 0.20),
    "order": (0.985, 0.01, 0.005),
}
"""Where learning starts, by kind of comparator: records of one person mostly agree."""

KIN = {
    "family_name": (0.70, 0.14, 0.02, 0.001, 0.001, 0.01, 0.018, 0.11),
    "given_name": (0.012, 0.003, 0.005, 0.002, 0.005, 0.03, 0.123, 0.82),
    "middle_name": (0.28, 0.03, 0.02, 0.005, 0.01, 0.035, 0.12, 0.50),
    "birthdate": (0.025, 0.001, 0.006, 0.01, 0.02, 0.048, 0.89),
    "gender": (0.47, 0.53),
    "place": (0.93, 0.03, 0.01, 0.01, 0.005, 0.005, 0.01),
    "dwelling": (0.85, 0.10, 0.02, 0.01, 0.02),
    "birthplace": (0.45, 0.05, 0.05, 0.45),
    "phone": (0.15, 0.15, 0.01, 0.01, 0.68),
    "email": (0.05, 0.05, 0.02, 0.02, 0.86),
}
"""What two of one household are like; whatever is not named is as with strangers."""

TWIN = {
    "family_name": (0.90, 0.04, 0.02, 0.001, 0.001, 0.01, 0.008, 0.02),
    "middle_name": (0.88, 0.05, 0.02, 0.005, 0.01, 0.01, 0.01, 0.015),
    "birthdate": (0.93, 0.01, 0.025, 0.015, 0.005, 0.005, 0.01),
    "gender": (0.67, 0.33),
    "birthplace": (0.85, 0.05, 0.03, 0.07),
}
"""Where twins differ from others of a household."""

_GIVEN_NAME_M = (0.87, 0.05, 0.025, 0.02, 0.005, 0.015, 0.009, 0.006)
"""Where learning starts with given names: few are wholly wrong, or twins would be one person."""

_STARTING_M = {"given_name": _GIVEN_NAME_M, SOURCE: (0.5, 0.5)}

PLACES = frozenset(("place", "dwelling", "phone"))
"""Features that a household shares, and leaves behind when it moves."""

_KIN_NUMBER = (0.003, 0.01, 0.003, 0.003, 0.981)


def starting_features(kinds: Mapping[str, str]) -> tuple[Feature, ...]:
    """Return features that nothing was learned about yet, given the comparator of each."""
    features: list[Feature] = []
    for name, kind in kinds.items():
        m = _STARTING_M.get(name) or _M[kind]
        u = tuple(1 / len(m) for _ in m)
        kin = _KIN_NUMBER if kind == "number" and name not in KIN else KIN.get(name, u)
        features.append(Feature(name=name, kind=kind, m=m, u=u, kin=kin, twin=TWIN.get(name, kin)))
    if {"given_name", "family_name"} <= set(kinds):
        ones = (1.0, 1.0, 1.0)
        features.append(
            Feature(
                name=NAME_ORDER,
                kind="order",
                m=_M["order"],
                u=ones,
                kin=ones,
                twin=ones,
                has_fixed_u=True,
            )
        )
    return tuple(features)
