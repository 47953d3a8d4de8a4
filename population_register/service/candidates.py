"""Who may be meant by some attributes? What resolving by name and birth date asks."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.keyring import Keyring
from population_register import matching_store
from population_register.comparison import Profile
from population_register.model_files import register_scorer
from population_register.scoring import Score, Scorer
from population_register.sealed_standings import standing_of
from population_register.service.fragments import Because, Fragments
from population_register.standings import bearers_in, is_closed, person_in


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePerson:
    """A person who may be meant.

    Attributes:
        person_id: Who answers for the person, if several are merged.
        score: Of the record of the person that is most like what was asked for; `score.words()` is
            the evidence, `score.bits` from `model.link` on is a match, above `model.ask` possible.
    """

    person_id: PersonId
    score: Score


def find_candidates(
    session: Session,
    keyring: Keyring,
    profile: Profile,
    *,
    because: Because,
    scorer: Scorer | None = None,
) -> list[CandidatePerson]:
    """Return whom a profile may be of, the likeliest first.

    Everybody who shares a blocking key is opened, each with an access entry; everybody who is
    returned scores above `model.ask`.

    Args:
        session: The transaction; the access entries are in it.
        keyring: Finds and opens.
        profile: Of what was asked for: `profiles.profile_of` canonical attributes.
        because: Makes the access entry for a person who is to be compared.
        scorer: Of the register's model, when not the shipped one.
    """
    scorer = scorer or register_scorer()
    asked = standing_of(keyring, b"", profile)
    found = matching_store.find_bearers(session, asked.keys)
    opened = {
        key: entries
        for key, borne in found.items()
        if not is_closed(entries := bearers_in(borne.bearers))
    }
    fragments = Fragments(session, keyring, because)
    fragments.load({person_in(entry) for entries in opened.values() for entry in entries})
    best: dict[PersonId, tuple[float, CandidatePerson]] = {}
    for fragment in fragments.by_id.values():
        for standing in fragment.standings.values():
            if standing.keys.isdisjoint(opened):
                continue
            bits = scorer.bits(profile, standing.profile)
            person_id = fragment.group_id or fragment.person_id
            if bits > scorer.model.ask and bits > best.get(person_id, (bits - 1,))[0]:
                score = scorer.score(profile, standing.profile)
                best[person_id] = bits, CandidatePerson(person_id=person_id, score=score)
    ranked = sorted(best.values(), key=lambda one: (-one[0], one[1].person_id))
    return [candidate for _, candidate in ranked]
