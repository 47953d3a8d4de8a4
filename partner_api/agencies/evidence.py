"""Answers that are signed on request, and stand as evidence on their own."""

from typing import Final

from starlette.requests import Request

from kernel.secret import b64url
from kernel.web import header_of
from partner_api.agencies.asking import Asking
from partner_api.agencies.desk import Desk
from partner_api.agencies.questions import ANSWER_TYPE, KEY_USE, Answer, signed_claims

JWT: Final = "application/jwt"  # RFC 7519, 10.3.1


def wants_signed(request: Request) -> bool:
    """Tell whether whoever asks wants the answer signed."""
    return JWT in header_of(request, b"accept")


def sign_answer(desk: Desk, asking: Asking, answer: Answer, *, question: bytes, jti: str) -> str:
    """Return an answer that stands as evidence on its own, and to which question it is one."""
    claims = signed_claims(
        answer,
        issuer=desk.issuer,
        agency_id=asking.call.agency,
        official=asking.official.official_id,
        frame=asking.frame,
        question_digest=b64url(question),
        request_id=jti,
        at=asking.call.at,
    )
    return desk.signing.jws(KEY_USE, claims, header={"typ": ANSWER_TYPE})
