"""Show what goes over the wire, readably: whole messages, with tokens and long values shortened."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

LONGEST_VALUE = 72
_SHORT = 18
_SECRET_FIELDS = frozenset({"password", "client_secret", "code_verifier"})
_SHOWN_HEADERS = ("authorization", "dpop")
_SHOWN_ANSWER_HEADERS = ("location", "www-authenticate", "content-type", "content-length")
_JWT_PARTS = 3


def describe(who: str, response: httpx2.Response) -> Iterator[str]:
    """Write one exchange as lines.

    Args:
        who: Who asked: `browser`, `bank`.
        response: The answer, with its request; its body is shown only if it was read.
    """
    request = response.request
    url = urlsplit(str(request.url))
    yield f"{who} → {request.method} {url.scheme}://{url.netloc}{url.path}"
    for name, value in parse_qsl(url.query):
        yield f"    ?{name} = {_value(name, value)}"
    for header in _SHOWN_HEADERS:
        if header in request.headers:
            yield f"    {header}: {_token(request.headers[header])}"
    yield from _fields(request)
    yield f"{who} ← {response.status_code} {response.reason_phrase}"
    for header in _SHOWN_ANSWER_HEADERS:
        if header in response.headers:
            yield f"    {header}: {_address(response.headers[header])}"
    if response.is_stream_consumed:
        yield from _body(response)


def _fields(request: httpx2.Request) -> Iterator[str]:
    content = request.content
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        for name, value in parse_qsl(content.decode()):
            yield f"    {name} = {_value(name, value)}"
    elif kind.startswith("application/json"):
        yield from _json(json.loads(content))


def _body(response: httpx2.Response) -> Iterator[str]:
    kind = response.headers.get("content-type", "")
    if kind.startswith("application/jwk-set+json"):
        for key in response.json()["keys"]:
            yield f"    key {key['kid']} ({key['alg']})"
    elif "json" in kind:
        yield from _json(response.json())
    elif kind.startswith("application/jwt"):
        header, payload = decode(response.text)
        yield f"    JWS header: {json.dumps(header)}"
        yield from _json(payload)


def decode(token: str) -> tuple[Any, Any]:
    """Read the header and the payload of a compact JWS, without verifying it."""
    header, payload, _ = token.split(".")
    return json.loads(_b64url(header)), json.loads(_b64url(payload))


def _json(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    text = json.dumps(_shortened(value), ensure_ascii=False, indent=2)
    for line in text.splitlines():
        yield f"    {line}"


def _shortened(value: Any, name: str = "") -> Any:  # noqa: ANN401  # JSON
    match value:
        case Mapping():
            return {key: _shortened(part, key) for key, part in value.items()}
        case list():
            return [_shortened(part) for part in value]
        case str():
            return _value(name, value)
        case _:
            return value


def _value(name: str, value: str) -> str:
    if name in _SECRET_FIELDS:
        return "•" * 8
    return _token(value)


def _token(text: str) -> str:
    """Shorten what is long; say what a JWT is about instead of showing it."""
    scheme, space, rest = text.partition(" ")
    if space and scheme in {"DPoP", "Bearer"}:
        return f"{scheme} {_token(rest)}"
    if text.count(".") == _JWT_PARTS - 1 and text.startswith("ey"):
        header, _ = decode(text)
        return f"{text[:_SHORT]}… (JWT {header.get('typ', '')}, {len(text)} characters)"
    if len(text) > LONGEST_VALUE and not text.startswith("["):
        return f"{text[:_SHORT]}… ({len(text)} characters)"
    return text


def _address(value: str) -> str:
    url = urlsplit(value)
    if not url.query:
        return value
    query = "&".join(f"{name}={_token(part)}" for name, part in parse_qsl(url.query))
    return f"{url.scheme}://{url.netloc}{url.path}?{query}" if url.netloc else f"{url.path}?{query}"


def _b64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
