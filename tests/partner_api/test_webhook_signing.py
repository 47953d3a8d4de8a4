"""Standard Webhooks: the published vector, the schedule, the addresses; the example receiver."""

import base64
import json
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.webhook_receiver import NotAuthentic, verify_webhook
from kernel.errors import InvalidRequest
from kernel.secret import Secret
from partner_api.errors import UnacceptableWebhookURI
from partner_api.webhooks import (
    RETRY_DELAYS,
    Outcome,
    check_webhook_uri,
    format_secret,
    judge_attempt,
    mint_secret,
    next_attempt_at,
    parse_secret,
    sign_webhook,
)

# Published with the reference implementations of Standard Webhooks.
VECTOR_SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = datetime.fromtimestamp(1614265330, UTC)
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.spec("StandardWebhooks-1.0.0-signature-scheme")
class TestSignature:
    def test_published_vector(self) -> None:
        headers = sign_webhook(
            VECTOR_BODY,
            webhook_id=VECTOR_ID,
            at=VECTOR_AT,
            secrets=[parse_secret(VECTOR_SECRET)],
        ).as_headers()

        assert headers == {
            "webhook-id": VECTOR_ID,
            "webhook-timestamp": "1614265330",
            "webhook-signature": VECTOR_SIGNATURE,
        }

    def test_both_secrets_sign_during_a_rotation(self) -> None:
        new, old = mint_secret(), mint_secret()

        signed = sign_webhook(b"{}", webhook_id="a", at=VECTOR_AT, secrets=[new, old])

        for secret in (new, old):
            verify_webhook(
                format_secret(secret).reveal(),
                signed.as_headers(),
                b"{}",
                now=VECTOR_AT.timestamp(),
            )
        assert len(signed.signature.split()) == 2

    def test_identifier_with_a_full_stop_is_refused(self) -> None:
        with pytest.raises(ValueError, match="full stop"):
            sign_webhook(b"", webhook_id="a.1", at=VECTOR_AT, secrets=[mint_secret()])

    @given(st.binary(max_size=200), st.integers(0, 2**31))
    def test_example_receiver_accepts_what_we_sign(self, body: bytes, timestamp: int) -> None:
        secret = mint_secret()

        signed = sign_webhook(
            body, webhook_id="a", at=datetime.fromtimestamp(timestamp, UTC), secrets=[secret]
        )

        verify_webhook(format_secret(secret).reveal(), signed.as_headers(), body, now=timestamp)


class TestExampleReceiver:
    HEADERS: ClassVar = {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": VECTOR_SIGNATURE,
    }
    NOW = 1614265330.0

    @pytest.mark.parametrize(
        ("change", "body", "now"),
        [
            pytest.param({}, VECTOR_BODY + b" ", NOW, id="changed body"),
            pytest.param({"webhook-id": "msg_other"}, VECTOR_BODY, NOW, id="another message"),
            pytest.param({"webhook-timestamp": "1614265331"}, VECTOR_BODY, NOW, id="another time"),
            pytest.param({"webhook-timestamp": "soon"}, VECTOR_BODY, NOW, id="no timestamp"),
            pytest.param({"webhook-signature": "v1,AAAA"}, VECTOR_BODY, NOW, id="no signature"),
            pytest.param({"webhook-signature": ""}, VECTOR_BODY, NOW, id="empty signature"),
            pytest.param({}, VECTOR_BODY, NOW + 301, id="replayed after five minutes"),
            pytest.param({}, VECTOR_BODY, NOW - 301, id="from the future"),
        ],
    )
    def test_refuses(self, change: dict[str, str], body: bytes, now: float) -> None:
        with pytest.raises(NotAuthentic):
            verify_webhook(VECTOR_SECRET.reveal(), self.HEADERS | change, body, now=now)

    def test_refuses_without_headers(self) -> None:
        with pytest.raises(NotAuthentic):
            verify_webhook(VECTOR_SECRET.reveal(), {}, VECTOR_BODY, now=self.NOW)

    def test_accepts_at_the_edge_of_its_tolerance(self) -> None:
        verify_webhook(VECTOR_SECRET.reveal(), self.HEADERS, VECTOR_BODY, now=self.NOW + 300)


class TestSecret:
    def test_format_is_read_back(self) -> None:
        secret = mint_secret()

        assert parse_secret(format_secret(secret)).reveal() == secret.reveal()
        assert len(secret.reveal()) == 32
        assert "whsec" not in repr(format_secret(secret))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="no prefix"),
            pytest.param("whsec_MfKQ9r8!", id="not base64"),
            pytest.param("whsec_!MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="more than base64"),
            pytest.param("whsec_" + base64.b64encode(b"x" * 23).decode(), id="too short"),
            pytest.param("whsec_" + base64.b64encode(b"x" * 65).decode(), id="too long"),
            pytest.param("whsec_", id="empty"),
        ],
    )
    def test_refuses(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_secret(Secret(text))

    @pytest.mark.parametrize("length", [24, 64])
    def test_secret_of_either_length_that_may_be_is_read(self, length: int) -> None:
        secret = parse_secret(Secret("whsec_" + base64.b64encode(b"x" * length).decode()))

        assert secret.reveal() == b"x" * length


@pytest.mark.spec("StandardWebhooks-1.0.0-delivery")
class TestSchedule:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            (200, Outcome.DELIVERED),
            (204, Outcome.DELIVERED),
            (299, Outcome.DELIVERED),
            (300, Outcome.RETRY),
            (199, Outcome.RETRY),
            (301, Outcome.RETRY),
            (308, Outcome.RETRY),
            (400, Outcome.RETRY),
            (404, Outcome.RETRY),
            (429, Outcome.RETRY),
            (500, Outcome.RETRY),
            (None, Outcome.RETRY),
            (410, Outcome.GONE),
        ],
    )
    def test_outcome_of_the_first_attempt(self, status: int | None, outcome: Outcome) -> None:
        assert judge_attempt(status, attempt=1) is outcome

    def test_tenth_failure_is_the_last(self) -> None:
        assert judge_attempt(500, attempt=9) is Outcome.RETRY
        assert judge_attempt(500, attempt=10) is Outcome.ABANDONED
        assert judge_attempt(200, attempt=10) is Outcome.DELIVERED

    @given(st.integers(1, len(RETRY_DELAYS)), st.floats(0, 1))
    def test_waits_longer_every_time(self, attempt: int, spread: float) -> None:
        delay = next_attempt_at(attempt=attempt, at=VECTOR_AT, spread=spread) - VECTOR_AT

        assert RETRY_DELAYS[attempt - 1] <= delay <= RETRY_DELAYS[attempt - 1] * 1.1

    def test_waits_are_those_of_the_specification(self) -> None:
        minutes = [delay.total_seconds() / 60 for delay in RETRY_DELAYS]

        assert minutes == [5 / 60, 5, 30, *(60 * hours for hours in (2, 5, 10, 14, 20, 24))]


class TestURI:
    @pytest.mark.parametrize(
        "uri",
        [
            "https://bank.example/hooks",
            "https://bank.example:8443/h?x=1",
            "https://xn--90ais.example",
            "https://bank.example/".ljust(2000, "x"),
        ],
    )
    def test_public_https(self, uri: str) -> None:
        check_webhook_uri(uri, allow_local=False)

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "bank.example",
            "http://bank.example/hooks",
            "ftp://bank.example",
            "file:///etc/passwd",
            "https:///hooks",
            "https://user:secret@bank.example/",
            "https://bank.example/#part",
            "https://банк.рф/",
            "https://bank.example/a b",
            "https://bank.example/\r\nX: y",
            "https://bank.example:0/",
            "https://bank.example:99999/",
            "https://[::1/",
            "http://localhost:9000/",
            "https://bank.example/".ljust(2001, "x"),
        ],
    )
    def test_refuses(self, uri: str) -> None:
        with pytest.raises(UnacceptableWebhookURI):
            check_webhook_uri(uri, allow_local=False)

    def test_demonstration_reaches_this_machine_only(self) -> None:
        check_webhook_uri("http://localhost:9000/", allow_local=True)
        check_webhook_uri("http://127.0.0.1:9000/", allow_local=True)
        check_webhook_uri("http://[::1]:9000/", allow_local=True)
        check_webhook_uri("https://localhost:9000/", allow_local=True)
        with pytest.raises(UnacceptableWebhookURI):
            check_webhook_uri("http://10.0.0.1/", allow_local=True)


def test_vector_body_is_json() -> None:
    assert json.loads(VECTOR_BODY) == {"test": 2432232314}
