"""Whatever anybody sends: what reads it returns a value, or refuses in a registered code."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.checkpoint import parse_checkpoint, verify_note
from audit.tiles import TilePlace, TileRequest, parse_tile_path, tile_path
from consent.api import parse_disclosure
from idp import grant_management, verified_claims
from idp.checks import (
    RESPONSE_MODES,
    check_redirect_uri,
    check_redirected,
    check_unredirected,
    refusal_fields,
)
from idp.claims import parse_claims_parameter
from idp.client_addresses import check_addresses
from idp.client_authentication import read_credentials
from idp.dpop import verify_proof
from idp.errors import OAuthError, UnregisteredRedirectUri
from idp.jose import NotVerified, parse_compact, parse_jwks, parse_public_jwk, peek_claims
from idp.model import ClientMetadata, ClientProfile
from idp.own_addresses import parse_own_address
from idp.policy import Policy
from idp.request_objects import read_parameters
from idp.user_codes import ALPHABET, LENGTH, MalformedUserCode, mint_user_code, parse_user_code
from kernel.errors import DomainError, InvalidRequest
from kernel.ids import AgencyId
from kernel.languages import choose, parse_accept_language, parse_ui_locales
from kernel.secret import Secret, b64url, b64url_decode, parse_token, token_of
from kernel.strict_json import parse_json
from kernel.web import parse_form
from partner_api.agencies.errors import OfficialUnproven
from partner_api.agencies.official import ASSERTION_TYPE, Officials
from partner_api.agencies.questions import read_batch_line, read_conversion, read_question
from partner_api.selection import parse_query
from partner_api.webhooks import format_secret, parse_secret
from population_register import private_counts
from population_register.errors import MappingRefused
from population_register.mapping import parse_mapping
from population_register.resolving import read_description
from population_register.service.agencies import parse_agency
from population_register.table_mapping import parse_table_mapping
from tests.idp.pure import EC_KEY, NOON, REDIRECT_URI, a_client, a_submission, public_jwk, signed
from vault.model import parse_title
from vault.ranges import parse_range

FEW = settings(max_examples=40)

DEEP = "[" * 1500 + "]" * 1500  # more than Python would follow by itself
DEEP_FOR_WRITING = "[" * 255 + "]" * 255  # is read, and could not be written again

TEXT = st.text(max_size=30)
INTEGER = st.integers(-(2**63), 2**64 - 1)  # longer ones are read as numbers with a fraction
SCALAR = st.none() | st.booleans() | INTEGER | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects whose members are mostly those that somebody looks at."""
    return st.dictionaries(st.sampled_from(names) | TEXT, JSON, max_size=5)


def refused_or_read(
    read: Callable[[], object], kind: type[DomainError] = DomainError
) -> DomainError | None:
    """Hold that reading ends, or is refused as what the caller did wrong."""
    refusal = None
    try:
        read()
    except kind as refused:
        refusal = refused
    if refusal is not None:
        assert 400 <= refusal.status < 500
        assert re.fullmatch(r"[a-z0-9_]+", refusal.code)
    return refusal


# Forms and JSON


@given(st.binary(max_size=120))
@example(b"a=%00")
@example(b"a=%ff")
@example("a=é".encode())
@example(b"&".join([b"a"] * 101))
def test_form_of_any_bytes(encoded: bytes) -> None:
    refused_or_read(lambda: parse_form(encoded), InvalidRequest)
    refused_or_read(lambda: parse_query(encoded), InvalidRequest)


FORM_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)


@FEW
@given(st.dictionaries(FORM_TEXT, FORM_TEXT, max_size=5))
def test_form_is_read_as_it_was_written_and_what_is_empty_is_left_out(
    values: dict[str, str],
) -> None:
    read = parse_form(urlencode(values).encode())

    assert dict(read) == {name: value for name, value in values.items() if value}


@FEW
@given(st.dictionaries(FORM_TEXT, FORM_TEXT, min_size=1, max_size=3), st.data())
def test_form_with_a_name_twice_is_refused(values: dict[str, str], draw: st.DataObject) -> None:
    again = draw.draw(st.sampled_from(sorted(values)))

    with pytest.raises(InvalidRequest):
        parse_form(f"{urlencode(values)}&{urlencode({again: 'x'})}".encode())


@FEW
@given(JSON)
def test_json_is_read_as_python_reads_it(value: object) -> None:
    text = json.dumps(value)

    try:
        read = parse_json(text)
    except InvalidRequest:
        assert "\\u0000" in text or "\\ud" in text
    else:
        assert read == value


# The authorization request


CLAIMS = objects("userinfo", "id_token") | st.fixed_dictionaries(
    {
        "userinfo": objects("sub", "acr", "verified_claims", "given_name"),
        "id_token": objects("sub", "acr", "auth_time", "verified_claims"),
    }
)
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "claims": CLAIMS.map(json.dumps) | TEXT,
        "authorization_details": st.lists(
            objects("type", "purpose", "items", "max_uses", "expires_in_days"), max_size=3
        ).map(json.dumps)
        | TEXT,
        "scope": TEXT,
        "prompt": TEXT,
        "max_age": TEXT,
        "state": TEXT,
        "nonce": TEXT,
        "response_mode": TEXT,
        "display": TEXT,
        "dpop_jkt": TEXT,
        "code_challenge": TEXT,
        "code_challenge_method": TEXT,
        "grant_id": TEXT,
        "grant_management_action": st.sampled_from(grant_management.ACTIONS) | TEXT,
        "redirect_uri": st.just(REDIRECT_URI) | TEXT,
    },
)


@pytest.mark.spec("RFC6749-4.1.2.1")
@given(REQUEST)
@example({"claims": f'{{"userinfo":{{"verified_claims":{DEEP_FOR_WRITING}}}}}'})
@example({"claims": f'{{"id_token":{{"acr":{{"values":{DEEP}}}}}}}'})
@example({"authorization_details": DEEP})
@example({"authorization_details": f'[{{"type":{DEEP_FOR_WRITING}}}]'})
@example({"max_age": "９"})
@example({"max_age": "9" * 5000})
def test_authorization_request_of_any_parameters(parameters: dict[str, str]) -> None:
    submission = a_submission(None, **parameters)

    refusal = refused_or_read(
        lambda: check_redirected(submission, check_unredirected(submission)), OAuthError
    )

    if isinstance(refusal, OAuthError):
        assert refusal.redirectable is not isinstance(refusal, UnregisteredRedirectUri)
        if refusal.redirectable:
            mode, state = refusal_fields(submission, refusal)
            assert mode in RESPONSE_MODES
            assert state is None or state.isascii()


@given(CLAIMS)
def test_claims_parameter_of_any_json(asked: dict[str, Any]) -> None:
    def read() -> None:
        for member in parse_claims_parameter(json.dumps(asked)).verified.values():
            verified_claims.check_request(member)

    refused_or_read(read, OAuthError)


@pytest.mark.spec("RFC9396-5")
@given(objects("type", "purpose", "items", "retention_days", "expires_in_days", "max_uses"))
def test_disclosure_of_any_json(details: dict[str, Any]) -> None:
    typed = details | {"type": "civitas_disclosure", "purpose": "account_opening"}

    refused_or_read(lambda: parse_disclosure(details))
    refused_or_read(lambda: parse_disclosure(typed))


@pytest.mark.spec("RFC9101-4")
@given(objects("resource", "claims", "max_age", "aud", "exp"))
@example({"claims": json.loads(DEEP_FOR_WRITING[1:-1])})
def test_request_object_of_any_claims(claims: dict[str, Any]) -> None:
    refused_or_read(lambda: read_parameters(claims), OAuthError)


REGISTERED = st.sampled_from(
    [
        *("https://rp.example/callback", "https://rp.example/callback?a=1", "http://127.0.0.1/cb"),
        *("http://127.0.0.1:8000/cb", "http://[::1]/cb", "http://localhost/cb", "com.example:/cb"),
    ]
)


@pytest.mark.spec("RFC6749-3.1.2.3")
@given(REGISTERED, st.data())
def test_address_that_differs_in_a_character_is_another(
    registered: str, draw: st.DataObject
) -> None:
    client = a_client(redirect_uris=(registered,))
    place = draw.draw(st.integers(0, len(registered)))
    added = draw.draw(st.text(st.characters(codec="utf-8"), max_size=2))
    kept = draw.draw(st.integers(place, min(place + 1, len(registered))))
    uri = registered[:place] + added + registered[kept:]

    check_redirect_uri(a_submission(client, redirect_uri=registered))
    if uri != registered and not _is_loopback_with_a_port(uri, registered):
        with pytest.raises(UnregisteredRedirectUri):
            check_redirect_uri(a_submission(client, redirect_uri=uri))


def _is_loopback_with_a_port(uri: str, registered: str) -> bool:
    """Tell, another way than our code does, whether only the port of a loopback number differs."""
    form = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::(0|[1-9][0-9]*))?(/cb)")
    ours, theirs = form.fullmatch(registered), form.fullmatch(uri)
    return (
        ours is not None
        and theirs is not None
        and ours.group(1, 3) == theirs.group(1, 3)
        and int(theirs[2] or 0) < 1 << 16
    )


@FEW
@given(st.text(st.characters(codec="utf-8"), max_size=40) | TEXT.map("https://rp.example/".__add__))
@example("https://rp.example:99999/")
@example("https://[::1")
@example("https://rp.example\t/")
def test_registered_address_of_any_text(uri: str) -> None:
    metadata = ClientMetadata(client_name="x", redirect_uris=(uri,), jwks_uri=uri)

    for profile in ClientProfile:
        refused_or_read(lambda profile=profile: check_addresses(metadata, Policy(), profile))  # type: ignore[misc]


# Keys, signatures, tokens


@pytest.mark.spec("RFC7515-5.2")
@given(st.text(max_size=40) | st.tuples(TEXT, TEXT, TEXT).map(".".join))
@example(f"{b64url(b'{}')}.{b64url(DEEP.encode())}.AA")
@example(f"{b64url(b'{}')}.{b64url(DEEP_FOR_WRITING.encode())}.AA")
def test_jws_of_any_text(compact: str) -> None:
    for read in (parse_compact, peek_claims):
        with suppress(NotVerified):
            read(compact)
    with pytest.raises(OAuthError) as refused:
        verify_proof(compact, method="POST", uris=["https://x/"], at=NOON, policy=Policy())
    assert refused.value.code == "invalid_dpop_proof"


@pytest.mark.spec("RFC9449-4.3")
@pytest.mark.parametrize("deep", [DEEP, DEEP_FOR_WRITING], ids=["to read", "to write"])
@pytest.mark.parametrize("claim", ["jti", "ath", "nonce", "more"])
def test_proof_with_claims_that_are_nested_deeply_is_refused(claim: str, deep: str) -> None:
    """Anybody can send one: whoever has a key of their own."""
    jwk = {name: public_jwk(EC_KEY)[name] for name in ("kty", "crv", "x", "y")}
    payload = f'{{"htm":"POST","htu":"https://x/","iat":1,"{claim}":{deep}}}'
    proof = _signed_text(payload, typ="dpop+jwt", jwk=jwk)

    with pytest.raises(OAuthError) as refused:
        verify_proof(proof, method="POST", uris=["https://x/"], at=NOON, policy=Policy())
    assert refused.value.code == "invalid_dpop_proof"


@pytest.mark.parametrize("deep", [DEEP, DEEP_FOR_WRITING], ids=["to read", "to write"])
@pytest.mark.parametrize("claim", ["sub", "name", "more"])
def test_official_with_claims_that_are_nested_deeply_is_refused(claim: str, deep: str) -> None:
    officials = Officials(AgencyId("tax"), [public_jwk(EC_KEY)])
    at = int(NOON.timestamp())
    said = f'"iss":"tax","aud":"a","jti":"j","iat":{at},"exp":{at + 60}'
    assertion = _signed_text(f'{{{said},"{claim}":{deep}}}', typ=ASSERTION_TYPE)

    with pytest.raises(OfficialUnproven):
        officials.verify(assertion, audience="a", at=NOON)


def _signed_text(payload: str, **header: object) -> str:
    return jwt.api_jws.encode(payload.encode(), EC_KEY, algorithm="ES256", headers=header)


MEMBERS = ("kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "keys", "x5c")


@FEW
@given(objects(*MEMBERS), st.sampled_from(["EC", "RSA", "OKP", "oct", 5]))
@example({"kty": "RSA", "n": "AQAB", "e": "AA"}, "RSA")
@example({"crv": "P-256", "x": 5, "y": None}, "EC")
def test_key_of_any_json(jwk: dict[str, Any], kty: object) -> None:
    for read in (
        lambda: parse_public_jwk(jwk | {"kty": kty}),
        lambda: parse_public_jwk(jwk | {"kty": kty, "crv": "P-256"}),
        lambda: parse_jwks({"keys": [jwk | {"kty": kty}]}),
        lambda: parse_jwks(jwk),
    ):
        with suppress(NotVerified):
            read()


@FEW
@given(
    st.none() | TEXT | st.binary(max_size=20).map(lambda raw: f"Basic {b64url(raw)}"),
    st.dictionaries(
        st.sampled_from(["client_id", "client_secret", "client_assertion"]), TEXT, max_size=3
    ),
)
@example(None, {"client_assertion": signed({"sub": None}), "client_assertion_type": "x"})
@example("basic ::::", {})
def test_credentials_of_any_text(authorization: str | None, form: dict[str, str]) -> None:
    refused_or_read(lambda: read_credentials(authorization, form))


@pytest.mark.parametrize("place", range(len(token_of("cva", b"k" * 32).token.reveal())))
def test_token_that_differs_in_a_character_is_not_looked_up(place: int) -> None:
    token = token_of("cva", b"k" * 32).token.reveal()
    changed = token[:place] + ("1" if token[place] == "0" else "0") + token[place + 1 :]

    assert parse_token(token, "cva") == token_of("cva", b"k" * 32).digest
    with pytest.raises(DomainError) as refused:
        parse_token(changed, "cva")
    assert refused.value.status == 400


@pytest.mark.parametrize("content", [b"", b"k", b"k" * 31, b"k" * 33], ids=len)
def test_token_of_another_length_is_not_looked_up(content: bytes) -> None:
    with pytest.raises(DomainError):
        parse_token(token_of("cva", content).token.reveal(), "cva")


@FEW
@given(st.binary(max_size=40))
def test_base64url_is_read_as_it_was_written_and_in_no_other_way(raw: bytes) -> None:
    text = b64url(raw)

    assert b64url_decode(text) == raw
    for other in (f"{text}=", f"{text}\n", f" {text}", f"{text}é"):
        with pytest.raises(InvalidRequest):
            b64url_decode(other)


# What people type


@FEW
@pytest.mark.spec("RFC8628-6.1")
@given(st.integers(0, 3), st.randoms(use_true_random=False), st.sampled_from(["-", " ", ".", ""]))
def test_user_code_is_read_however_it_is_typed(slot: int, chance: Any, mark: str) -> None:  # noqa: ANN401
    code = mint_user_code(slot, chance.randbytes)
    typed = mark.join(code.letters.lower())

    assert parse_user_code(typed) == code == parse_user_code(code.shown)
    assert code.slot == slot
    assert set(code.letters) <= set(ALPHABET)


@FEW
@given(st.text(max_size=12))
def test_user_code_of_any_text(typed: str) -> None:
    try:
        code = parse_user_code(typed)
    except MalformedUserCode:
        return
    assert len(code.letters) == LENGTH


@FEW
@given(st.text(max_size=60))
@example("fr;q=nan, en;q=1e999, ru;q=0")
@example("\ud800")
def test_languages_of_any_text(header: str) -> None:
    wishes = [parse_accept_language(header), parse_ui_locales(header)]

    assert choose(*wishes).code in {"ru", "en"}


@FEW
@given(st.text(max_size=30).map("/account".__add__) | st.text(max_size=30))
@example("//evil.example")
@example("/account\\evil.example")
@example("/account/../x")
@example("/account\n")
def test_one_is_sent_on_to_plain_pages_only(address: str) -> None:
    sent = parse_own_address(address)

    assert re.fullmatch(r"/(account|device)[a-z0-9/-]*", sent)
    assert "//" not in sent


@FEW
@given(st.text(max_size=40))
def test_title_of_any_text(text: str) -> None:
    try:
        title = parse_title(text)
    except InvalidRequest:
        return
    assert title.isprintable()
    assert parse_title(title) == title


# Ranges, tiles, notes


@pytest.mark.spec("RFC9110-14.2")
@given(st.text("bytes=0123456789-, ", max_size=20) | TEXT, st.integers(0, 200))
@example("bytes=0-" + "9" * 19, 10)
@example("bytes=5-2", 10)
@example("bytes=-0", 10)
def test_range_of_any_text_lies_within_the_document(header: str, length: int) -> None:
    def read() -> None:
        found = parse_range(header, length)
        assert found is None or 0 <= found.start < found.stop <= length

    refused_or_read(read)


@FEW
@pytest.mark.spec("C2SP-tlog-tiles-merkle-tree")
@given(st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_path_of_a_tile_names_one_tile(level: int, index: int, width: int) -> None:
    request = TileRequest(TilePlace(level, index), width)

    assert parse_tile_path(tile_path(request)) == request


@FEW
@given(st.text("0123456789x/.p", max_size=20) | TEXT)
def test_path_of_any_text_is_a_tile_or_none(path: str) -> None:
    def read() -> None:
        assert tile_path(parse_tile_path(path)) == path

    refused_or_read(read)


@FEW
@given(st.text(max_size=60) | st.tuples(TEXT, TEXT, TEXT).map("\n".join))
@example("origin\n5\nAAAA\n\n— key AAAA\n")
def test_note_of_any_text(note: str) -> None:
    refused_or_read(lambda: verify_note(note, []))
    refused_or_read(lambda: parse_checkpoint(note.encode(errors="replace")))


# Agencies and partners


@FEW
@given(
    st.binary(max_size=40)
    | objects(
        "legal_basis", "purpose", "fields", "identifiers", "attributes", "pseudonym", "id"
    ).map(lambda said: json.dumps(said).encode())
)
@example(f'{{"legal_basis":"tax_code_85","purpose":"1","attributes":{{"a":{DEEP}}}}}'.encode())
@example(f'{{"legal_basis":{DEEP}}}'.encode())
@example(f'{{"id":"1","identifiers":{{"snils":{DEEP}}}}}'.encode())
@example(f'{{"id":{DEEP}}}'.encode())
def test_question_of_any_bytes(body: bytes) -> None:
    for read in (read_question, read_conversion, read_batch_line):
        refused_or_read(lambda read=read: read(body))  # type: ignore[misc]


@FEW
@given(
    st.dictionaries(st.sampled_from(["snils", "inn", "passport"]) | TEXT, JSON, max_size=3),
    st.dictionaries(
        st.sampled_from(["family_name", "birthdate", "gender", "registration_address"]) | TEXT,
        JSON,
        max_size=4,
    ),
    JSON,
)
def test_description_of_any_json(
    identifiers: dict[str, Any],
    attributes: dict[str, Any],
    pseudonym: Any,  # noqa: ANN401
) -> None:
    document = {"identifiers": identifiers, "attributes": attributes, "pseudonym": pseudonym}

    refused_or_read(lambda: read_description(document))


@FEW
@given(st.binary(min_size=24, max_size=64))
def test_webhook_secret_is_read_as_it_is_shown(raw: bytes) -> None:
    assert parse_secret(format_secret(Secret(raw))).reveal() == raw


@FEW
@given(
    TEXT
    | TEXT.map("whsec_".__add__)
    | st.binary(max_size=23).map(lambda raw: "whsec_" + b64url(raw))
)
def test_webhook_secret_of_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_secret(Secret(text))


@FEW
@given(
    st.lists(st.sampled_from(["sex=female", "age.ten_years=20-29", "sex.any=x", "sex"]) | TEXT),
    st.lists(st.sampled_from(["sex", "region.district", "age", "citizenship"]) | TEXT, max_size=3),
)
def test_counting_by_any_text(where: list[str], by: list[str]) -> None:
    refused_or_read(lambda: private_counts.parse_query(where, by))


MAPPED = ("fields", "constants", "values", "ignore", "encoding", "delimiter", "date_format")


@FEW
@given(objects(*MAPPED, "list_separator"), objects("columns", "extra", "source", "one_per_source"))
@example({}, {"columns": 5})
@example({}, {"extra": [1]})
@example({}, {"extra": {"a": {"kind": []}}})
@example({"encoding": []}, {"columns": {"inn": {"column": {}}}})
def test_mapping_of_any_document(feed: dict[str, Any], table: dict[str, Any]) -> None:
    agency = {"agency_id": "tax", "role": "tax", "name_ru": "Н", "name_en": "T", "mapping": feed}

    refused_or_read(lambda: parse_mapping(feed), MappingRefused)
    refused_or_read(lambda: parse_agency(agency), MappingRefused)
    refused_or_read(lambda: parse_table_mapping(table), MappingRefused)
