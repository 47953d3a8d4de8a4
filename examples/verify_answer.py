"""Verify a signed answer of the register offline: that it is ours, and to which question.

    curl https://id.example/agency/v1/jwks > keys.json      # keep it beside the answers
    python examples/verify_answer.py answer.jwt question.json keys.json

PyJWT and nothing else. Exit code 1 if the answer is not what it seems.
"""

# a program

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt


class NotEvidence(Exception):
    """Not signed by one of these keys, of another type, or about another question."""


def verify_answer(answer: str, question: bytes, jwks: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the register answered to this very question, byte for byte.

    Raises:
        NotEvidence: It shows nothing.
    """
    try:
        header = jwt.get_unverified_header(answer)
        (key,) = (key for key in jwks["keys"] if key["kid"] == header["kid"])
        # What was signed years ago is still what was answered then: nothing here expires.
        claims: dict[str, Any] = jwt.decode(
            answer,
            jwt.PyJWK(key).key,
            algorithms=["ES256"],
            options={"verify_aud": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise NotEvidence("the signature") from error
    if header.get("typ") != "civitas-resolve+jwt":
        raise NotEvidence("the type")
    digest = base64.urlsafe_b64encode(hashlib.sha256(question).digest()).rstrip(b"=").decode()
    if claims["question_digest"] != digest:
        raise NotEvidence("another question")
    return claims


def main() -> int:
    """Run the command."""
    answer, question, keys = (Path(path).read_bytes() for path in sys.argv[1:4])
    try:
        claims = verify_answer(answer.decode().strip(), question, json.loads(keys))
    except NotEvidence as error:
        print(f"This shows nothing: {error}.")
        return 1
    print(json.dumps(claims, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
