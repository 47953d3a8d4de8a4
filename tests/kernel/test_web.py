"""Strict forms and JSON."""

from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect, Request

from kernel.errors import InvalidRequest, PayloadTooLarge
from kernel.strict_json import LONGEST, parse_json
from kernel.web import (
    FORM_TYPE,
    LONGEST_VALUE,
    MOST_FIELDS,
    json_response,
    parse_form,
    read_body,
    read_form,
    read_json,
    read_query,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def a_request(body: bytes = b"", *, content_type: str = FORM_TYPE, query: bytes = b"") -> Request:
    parts = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, object]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query,
        "headers": [(b"content-type", content_type.encode())],
    }
    return Request(scope, receive)


class TestForm:
    @given(values=st.dictionaries(TEXTS, TEXTS, max_size=20))
    def test_what_was_written_is_read(self, values: dict[str, str]) -> None:
        assert dict(parse_form(urlencode(values).encode())) == values

    @given(encoded=st.binary(max_size=200))
    def test_anything_is_read_or_refused(self, encoded: bytes) -> None:
        try:
            form = parse_form(encoded)
        except InvalidRequest:
            return
        assert all("\0" not in value for value in form.values())

    @pytest.mark.spec("RFC6749-3.1")
    def test_empty_parameter_counts_as_left_out(self) -> None:
        assert dict(parse_form(b"a=&b=1&c")) == {"b": "1"}

    @pytest.mark.spec("RFC6749-3.1")
    @pytest.mark.parametrize("encoded", [b"a=1&a=1", b"a=1&a=2", b"a=&a=1", b"a=1&%61=2", b"a&a"])
    def test_repeated_parameter_is_refused(self, encoded: bytes) -> None:
        with pytest.raises(InvalidRequest):
            parse_form(encoded)

    @pytest.mark.spec("RFC8707-2")
    def test_parameter_that_may_be_repeated_is_read_whole(self) -> None:
        form = parse_form(b"resource=a&x=1&resource=b&resource=", repeatable=("resource",))

        assert form.every("resource") == ("a", "b")
        assert form["resource"] == "a"
        assert form.every("x") == ()

    @pytest.mark.parametrize(
        "encoded",
        [
            b"\xff=1",
            "é=1".encode(),
            b"a=%ff",
            b"a=%c0%80",
            b"a=%00",
            b"%00=a",
            b"a=" + b"x" * (LONGEST_VALUE + 1),
            b"&".join(b"a%d=1" % number for number in range(MOST_FIELDS + 1)),
        ],
        ids=range(8),
    )
    def test_what_is_no_form_is_refused(self, encoded: bytes) -> None:
        with pytest.raises(InvalidRequest):
            parse_form(encoded)

    def test_values_do_not_show(self) -> None:
        assert repr(parse_form(b"client_secret=s3cret")) == "Form(client_secret)"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", "application/json", "multipart/form-data"]
    )
    async def test_other_content_types_are_refused(self, content_type: str) -> None:
        with pytest.raises(InvalidRequest):
            await read_form(a_request(b"a=1", content_type=content_type))

    @pytest.mark.anyio
    async def test_parameters_of_the_type_and_its_case_do_not_matter(self) -> None:
        request = a_request(b"a=1", content_type="Application/X-WWW-Form-Urlencoded; charset=UTF-8")

        assert dict(await read_form(request)) == {"a": "1"}

    @pytest.mark.anyio
    async def test_body_is_read_up_to_its_limit(self) -> None:
        assert await read_body(a_request(b"x" * 10), limit=10) == b"x" * 10
        with pytest.raises(PayloadTooLarge):
            await read_body(a_request(b"x" * 11), limit=10)

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("headers", "asked"),
        [
            ({"content-length": "4"}, 2),
            ({}, 3),
            ({"content-length": "3"}, 3),
            ({"content-length": "٤"}, 3),
            ({"content-length": "4", "transfer-encoding": "chunked"}, 3),
            ({"transfer-encoding": "chunked", "content-length": "2"}, 3),
        ],
        ids=str,
    )
    async def test_server_is_not_asked_again_for_a_body_that_is_whole(
        self, headers: dict[str, str], asked: int
    ) -> None:
        parts = [b"ab", b"cd", b""]

        async def receive() -> dict[str, object]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": sent}

        assert await read_body(Request(scope, receive), limit=10) == b"abcd"
        assert 3 - len(parts) == asked

    @pytest.mark.anyio
    async def test_body_of_somebody_who_went_away_is_none(self) -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}

        with pytest.raises(ClientDisconnect):
            await read_body(Request(scope, receive), limit=10)

    def test_query_is_read_alike(self) -> None:
        assert dict(read_query(a_request(query=b"a=1&b="))) == {"a": "1"}


class TestJSON:
    @pytest.mark.spec("RFC8259-8.1")
    @pytest.mark.parametrize(
        "text",
        ["", "{", "NaN", "Infinity", "{'a': 1}", "[1,]", '"\\u0000"', '{"a\\u0000": 1}', '"\\ud800"',  # noqa: E501
         "[" * 10_000, " " * 300_000, "[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65],
        ids=range(13),
    )  # fmt: skip
    def test_what_is_not_interchanged_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_json(text)
        with pytest.raises(InvalidRequest):
            parse_json(text.encode())

    @pytest.mark.parametrize(
        "text",
        ["[" * 64 + "]" * 64, '{"a":' * 64 + "1" + "}" * 64, "[" + "[[]]," * 200 + "0]", '"[[["'],
        ids=["lists", "objects", "many that are not deep", "a text of brackets"],
    )
    def test_nesting_that_somebody_may_need_is_not(self, text: str) -> None:
        assert orjson.dumps(parse_json(text)) == text.encode()
        assert parse_json(text.encode()) == parse_json(text)

    def test_text_has_up_to_256_kibibytes(self) -> None:
        longest = f'"{"a" * (LONGEST - 2)}"'

        assert len(str(parse_json(longest))) == LONGEST - 2
        with pytest.raises(InvalidRequest):
            parse_json(f"{longest} ")

    def test_bytes_that_are_not_utf_8_are_refused(self) -> None:
        with pytest.raises(InvalidRequest):
            parse_json(b'"\xff"')

    @pytest.mark.anyio
    @pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
    async def test_body_is_an_object(self, body: bytes) -> None:
        with pytest.raises(InvalidRequest):
            await read_json(a_request(body, content_type="application/json"))

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/json+x", FORM_TYPE, "application/jsonp"]
    )
    async def test_body_of_another_kind_is_not_read(self, kind: str) -> None:
        with pytest.raises(InvalidRequest):
            await read_json(a_request(b"{}", content_type=kind))

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "kind", ["application/json", "Application/JSON", "application/json ; charset=utf-8"]
    )
    async def test_kind_may_be_spelled_and_followed_as_one_likes(self, kind: str) -> None:
        assert await read_json(a_request(b'{"a":1}', content_type=kind)) == {"a": 1}

    @pytest.mark.anyio
    async def test_body_that_ends_with_the_connection_is_none(self) -> None:
        """Half of a request may be a request, and another one than was meant."""

        async def receive() -> dict[str, object]:
            return parts.pop(0)

        parts: list[dict[str, object]] = [
            {"type": "http.request", "body": b"a=1", "more_body": True},
            {"type": "http.disconnect"},
        ]
        scope = {"type": "http", "headers": [(b"content-type", FORM_TYPE.encode())]}
        with pytest.raises(ClientDisconnect):
            await read_form(Request(scope, receive))

    @pytest.mark.anyio
    async def test_body_has_up_to_its_limit(self) -> None:
        assert await read_body(a_request(b"a" * 10), limit=10) == b"a" * 10
        with pytest.raises(PayloadTooLarge):
            await read_body(a_request(b"a" * 11), limit=10)

    @pytest.mark.spec("RFC6749-5.1")
    def test_answer_is_not_stored(self) -> None:
        response = json_response({"a": "ж"}, status=201, headers={"X": "1"})

        assert response.status_code == 201
        assert response.body == '{"a":"ж"}'.encode()
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["pragma"] == "no-cache"
        assert response.headers["x"] == "1"
