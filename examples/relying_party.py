"""Sign in with Civitas in forty lines. Run it, open the address that it prints, sign in."""

import sys
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx2
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

issuer, port = sys.argv[1], int(sys.argv[2])  # http://localhost:8000 8002
here = f"http://localhost:{port}/callback"
metadata = httpx2.get(f"{issuer}/.well-known/openid-configuration").json()
wanted = {"client_name": "Example", "redirect_uris": [here], "scope": "openid profile"}
me = httpx2.post(metadata["registration_endpoint"], json=wanted).raise_for_status().json()

client = OAuth2Client(me["client_id"], me["client_secret"], redirect_uri=here, scope=me["scope"])
client.code_challenge_method = "S256"
nonce, verifier = generate_token(43), generate_token(43)
url, state = client.create_authorization_url(
    metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier
)
print("Open", url, flush=True)


def callback(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Take the answer: redeem the code, verify who signed in."""
    answer = f"{here}?{environ['QUERY_STRING']}"
    token = client.fetch_token(
        metadata["token_endpoint"], authorization_response=answer, state=state,
        code_verifier=verifier,
    )  # fmt: skip
    keys = KeySet.import_key_set(httpx2.get(metadata["jwks_uri"]).json())
    claims = jwt.decode(token["id_token"], keys, ["ES256", "RS256"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": me["client_id"]},
        nonce={"essential": True, "value": nonce},
    ).validate(claims)  # fmt: skip
    print("Signed in as", claims["sub"], flush=True)
    start_response("200 OK", [])
    return [b"You are signed in."]


make_server("127.0.0.1", port, callback).handle_request()
