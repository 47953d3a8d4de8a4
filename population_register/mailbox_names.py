"""Names that a record has only in its mailbox. Deciding code: profiles in, profiles out.

`anna.smith42@post.example` says how somebody is called whose name nobody wrote down. A word of it
is taken for a name where the other records have it as that name, and mostly as that.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from population_register.comparison import Profile
from population_register.names import latin_fold

_WORD = re.compile(r"[^\W\d_]{3,}")
_LEAST = 2  # records that have a name, before a word counts as one
_NAMES = ("given_name", "family_name")


def with_names_of_mailboxes(profiles: Sequence[Profile]) -> list[Profile]:
    """Return the profiles, with the given and family names that only their mailboxes tell."""
    known = {name: _counted(name, profiles) for name in _NAMES}
    return [
        {**profile, **dict(_told(profile, known))}
        if "email" in profile and not profile.keys() >= set(_NAMES)
        else profile
        for profile in profiles
    ]


def _counted(name: str, profiles: Sequence[Profile]) -> Counter[str]:
    """Return how often each word is such a name, as it would stand in a mailbox."""
    return Counter(latin_fold(value) for profile in profiles for value in profile.get(name, ()))


def _told(
    profile: Profile, known: dict[str, Counter[str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    words = [
        word for address in profile["email"] for word in _WORD.findall(address.partition("@")[0])
    ]
    own = {latin_fold(value) for name in _NAMES for value in profile.get(name, ())}
    for name, other in (_NAMES, _NAMES[::-1]):
        found = tuple(
            word
            for word in dict.fromkeys(words)
            if (folded := latin_fold(word)) not in own
            and known[name][folded] >= max(_LEAST, 2 * known[other][folded])
        )
        if found and name not in profile:
            yield name, found[:1]
