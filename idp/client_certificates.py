"""The certificate of the connection that a request came over.

It stands where the ASGI TLS extension puts it: written there by a server that terminated TLS and
asked for it, or by us for a trusted proxy that did (`app.proxies`, RFC 9440). Headers are not read.
"""

from pathlib import Path

from starlette.requests import HTTPConnection

from idp.mtls import Authorities, ClientCertificate, parse_chain


def client_certificate_of(request: HTTPConnection) -> ClientCertificate | None:
    """Return the certificate that the client presented; None if it presented none."""
    extensions = request.scope.get("extensions")
    tls = None if extensions is None else extensions.get("tls")
    chain = None if tls is None else tls.get("client_cert_chain")
    return parse_chain(tuple(chain)) if chain else None


def load_authorities(file: Path | None) -> Authorities | None:
    """Return the authorities whose certificates authenticate clients.

    Raises:
        OSError: The file can't be read.
        ValueError: There is no certificate in it.
    """
    return None if file is None else Authorities.parse(file.read_bytes())
