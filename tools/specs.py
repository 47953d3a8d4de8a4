"""Say which clauses of public specifications have a test, and write docs/specs.md.

    python -m tools.specs                write the page, print a summary
    python -m tools.specs --check        exit 1 if the page differs from the tests

A test names its clause: `@pytest.mark.spec("RFC6749-4.1.2")`. The names are read from the source,
so that nothing has to run.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
PAGE = ROOT / "docs" / "specs.md"

TITLES = {
    "RFC4226": "HOTP",
    "RFC6238": "TOTP",
    "RFC6749": "The OAuth 2.0 Authorization Framework",
    "RFC6750": "Bearer Token Usage",
    "RFC6797": "HTTP Strict Transport Security",
    "RFC6962": "Certificate Transparency",
    "RFC7009": "Token Revocation",
    "RFC7515": "JSON Web Signature",
    "RFC7517": "JSON Web Key",
    "RFC7518": "JSON Web Algorithms",
    "RFC7519": "JSON Web Token",
    "RFC7521": "Assertion Framework",
    "RFC7523": "JWT Profile for Client Authentication",
    "RFC7591": "Dynamic Client Registration",
    "RFC7592": "Dynamic Client Registration Management",
    "RFC7636": "Proof Key for Code Exchange",
    "RFC7638": "JWK Thumbprint",
    "RFC7662": "Token Introspection",
    "RFC7807": "Problem Details (obsolete)",
    "RFC8037": "EdDSA in JOSE",
    "RFC8259": "JSON",
    "RFC8414": "Authorization Server Metadata",
    "RFC8707": "Resource Indicators",
    "RFC8725": "JSON Web Token Best Current Practices",
    "RFC8785": "JSON Canonicalization Scheme",
    "RFC9068": "JWT Profile for Access Tokens",
    "RFC9106": "Argon2",
    "RFC9110": "HTTP Semantics",
    "RFC9126": "Pushed Authorization Requests",
    "RFC9207": "Authorization Server Issuer Identification",
    "RFC9396": "Rich Authorization Requests",
    "RFC9449": "Demonstrating Proof of Possession (DPoP)",
    "RFC9457": "Problem Details for HTTP APIs",
    "RFC9470": "Step Up Authentication",
    "RFC9562": "UUIDs",
    "RFC9700": "Best Current Practice for OAuth 2.0 Security",
    "RFC9864": "Fully-Specified Algorithms for JOSE and COSE",
    "RFC5869": "HKDF",
    "RFC5116": "Authenticated Encryption",
    "OIDCC": "OpenID Connect Core 1.0",
    "OIDCD": "OpenID Connect Discovery 1.0",
    "OIDCR": "OpenID Connect Dynamic Client Registration 1.0",
    "OIDCRIL": "OpenID Connect RP-Initiated Logout 1.0",
    "OIDCBCL": "OpenID Connect Back-Channel Logout 1.0",
    "OIDCFCL": "OpenID Connect Front-Channel Logout 1.0",
    "OIDCSM": "OpenID Connect Session Management 1.0",
    "RFC6454": "The Web Origin Concept",
    "IDA": "OpenID Connect for Identity Assurance 1.0",
    "IDAS": "OpenID Identity Assurance Schema Definition 1.0",
    "IDAC": "OpenID Connect for Identity Assurance Claims Registration 1.0",
    "FAPI2SP": "FAPI 2.0 Security Profile",
    "TS27560": "ISO/IEC TS 27560 consent records",
    "C2SP": "C2SP checkpoint, signed note, tiles",
    "CIBA": "OpenID Connect Client-Initiated Backchannel Authentication Core 1.0",
    "ETSI": "PAdES and its relatives",
    "FAPI": "FAPI: Client Initiated Backchannel Authentication",
    "FAPI1": "FAPI 1.0",
    "FAPI2": "FAPI 2.0 Security Profile and Message Signing",
    "GRANT": "Grant Management for OAuth 2.0",
    "ICAO9303": "Machine Readable Travel Documents",
    "ISO27560": "ISO/IEC TS 27560 consent records",
    "JARM": "JWT Secured Authorization Response Mode",
    "OAuth2": "OAuth 2.0 Form Post Response Mode",
    "PFR": "The check of a SNILS",
    "RFC3986": "Uniform Resource Identifiers",
    "RFC5280": "X.509 certificates",
    "RFC7578": "Forms with files",
    "RFC8252": "OAuth 2.0 for Native Apps",
    "RFC8628": "OAuth 2.0 Device Authorization Grant",
    "RFC8693": "OAuth 2.0 Token Exchange",
    "RFC8705": "Mutual-TLS Client Authentication and Certificate-Bound Access Tokens",
    "RFC9101": "JWT-Secured Authorization Requests (JAR)",
    "RFC9112": "HTTP/1.1",
    "RFC9162": "Certificate Transparency 2.0",
    "RFC9325": "Recommendations for TLS",
    "RFC9440": "The Client-Cert header",
    "RFC9530": "Digest Fields",
    "RFC6266": "Content-Disposition in HTTP",
    "RFC6585": "Additional HTTP Status Codes",
    "RFC8176": "Authentication Method Reference Values",
    "RFC9701": "Signed Token Introspection",
    "RFC9728": "Protected Resource Metadata",
    "StandardWebhooks": "Standard Webhooks",
    "Tink": "Streaming AEAD of Tink",
    "WCAG22": "Web Content Accessibility Guidelines 2.2",
}


NOT_SUPPORTED: tuple[tuple[str, str, str], ...] = (
    ("RFC6749-4.2, OIDCC-3.2, OIDCC-3.3", "implicit and hybrid flows",
     "refused: tokens would travel through the browser (RFC 9700, 2.1.2)"),
    ("RFC6749-4.3", "the password grant", "refused: RFC 9700, 2.4"),
    ("RFC7636-4.2", "`plain` code challenges", "refused: RFC 9700, 2.1.1"),
    ("OIDCC-8", "`public` subjects", "refused: nobody can join what they were not given together"),
    ("OIDCC-9", "`client_secret_jwt`", ("secrets are stored as digests; nothing can be verified "
     "with a digest")),
    ("OIDCC-2, OIDCC-6.1", "`alg` `none`, of ID tokens and of request objects", ("refused: what is "
     "not signed says nothing")),
    ("OIDCC-6.1, RFC9101-4", "encrypted request objects", ("not offered; pushed requests "
     "(RFC 9126) keep what is asked for out of the browser")),
    ("OIDCC-5.4", "the scopes `email` and `phone`", "neither the register nor an account has them"),
    ("OIDCC-5.6.2", "aggregated and distributed claims", "not offered"),
    ("OIDCC-7", "self-issued providers, the `registration` parameter", "refused"),
    ("OIDCD-2", "WebFinger", "not offered: whoever signs in knows where"),
    ("RFC7592-2.2", "a new registration access token with every update", "the old one stays good"),
    ("RFC8693-2.1", "`actor_token`", "refused: who acts is the client that authenticates"),
    ("CIBA-7.1", "user codes", "not offered"),
)  # fmt: skip
"""What a reader of these specifications may look for in vain, and why."""


def clauses() -> Iterator[tuple[str, str]]:
    """Yield each clause with the test that demonstrates it: `RFC6749-4.1.2`, `tests/…::test_…`."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        module = ast.parse(path.read_text())
        place = path.relative_to(ROOT).as_posix()
        yield from _of_body(module.body, place, _marks_of_module(module))


def _of_body(
    body: list[ast.stmt], place: str, inherited: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            own = inherited + tuple(_marks(node.decorator_list))
            yield from _of_body(node.body, f"{place}::{node.name}", own)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            for clause in (*inherited, *_marks(node.decorator_list)):
                yield clause, f"{place}::{node.name}"


def _marks_of_module(module: ast.Module) -> tuple[str, ...]:
    for node in module.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            return tuple(_marks([node.value]))
    return ()


def _marks(expressions: list[ast.expr]) -> Iterator[str]:
    for expression in expressions:
        for call in ast.walk(expression):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "spec"
            ):
                yield from (
                    argument.value
                    for argument in call.args
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                )


def page() -> str:
    """Write docs/specs.md.

    Raises:
        LookupError: A test names a specification that `TITLES` does not know.
    """
    tests: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for clause, test in clauses():
        specification, _, number = clause.partition("-")
        tests[specification][number].append(test)
    lines = [
        "# Specifications and their tests",
        "",
        "Written by `make specs` from the tests: each names the clause that it demonstrates.",
        "",
    ]
    for specification in sorted(tests):
        if specification not in TITLES:
            raise LookupError(f"say in TITLES what {specification} is called")
        lines += [f"## {specification}: {TITLES[specification]}", ""]
        lines += ["| clause | tests |", "| --- | --- |"]
        for number in sorted(tests[specification], key=_in_order):
            names = "<br>".join(f"`{_short(test)}`" for test in tests[specification][number])
            lines.append(f"| {number} | {names} |")
        lines.append("")
    return "\n".join([*lines, *_not_supported(), *_untested()])


def _not_supported() -> list[str]:
    """List what is not offered, with the reason."""
    lines = ["## Not supported", "", "| clause | what | why |", "| --- | --- | --- |"]
    lines += [f"| {clause} | {what} | {why} |" for clause, what, why in NOT_SUPPORTED]
    return [*lines, ""]


CITATION = re.compile(
    r"(RFC \d{4}|OpenID Connect (?:Core|Discovery|Registration)|(?:RP-Initiated|Back-Channel"
    r"|Front-Channel) Logout|Session Management 1\.0|(?<!FAPI-)CIBA|JARM), "
    r"(\d{1,2}(?:\.\d+)*)(?!\d)"
)
"""How our code names the clause that it follows: `RFC 9126, 2.1`, `OpenID Connect Core, 5.5`."""

SHORT = {
    "OpenID Connect Core": "OIDCC",
    "OpenID Connect Discovery": "OIDCD",
    "OpenID Connect Registration": "OIDCR",
    "RP-Initiated Logout": "OIDCRIL",
    "Back-Channel Logout": "OIDCBCL",
    "Front-Channel Logout": "OIDCFCL",
    "Session Management 1.0": "OIDCSM",
}
"""How tests name what the code writes out."""

PACKAGES = ("kernel", "audit", "population_register", "consent", "vault", "idp", "partner_api")


def citations() -> dict[str, set[str]]:
    """Return the clauses that our code says it follows, each with the modules that say so."""
    cited: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for title, clause in CITATION.findall(path.read_text()):
                short = SHORT.get(title, title.replace(" ", ""))
                cited[f"{short}-{clause}"].add(path.relative_to(ROOT).as_posix())
    return cited


def _untested() -> list[str]:
    """List the clauses that our code names and no test does; a test of a part counts for it."""
    tested = {clause for clause, _ in clauses()}
    lines = ["## Named in the code, by no test", "", "| clause | modules |", "| --- | --- |"]
    for clause, modules in sorted(citations().items()):
        if not any(t == clause or t.startswith((f"{clause}.", f"{clause}(")) for t in tested):
            lines.append(f"| {clause} | {', '.join(f'`{module}`' for module in sorted(modules))} |")
    return [*lines, ""]


def _in_order(number: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (1 << 30, part) for part in re.split(r"[.]", number)
    ]


def _short(test: str) -> str:
    place, _, name = test.partition("::")
    return f"{Path(place).parent.name}/{Path(place).stem}::{name}".replace("|", "/")


def main() -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            print("stale: docs/specs.md; run `make specs`", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text)
    found = sorted({clause for clause, _ in clauses()})
    print(f"{len(found)} clauses of {len({c.partition('-')[0] for c in found})} specifications")
    return 0


if __name__ == "__main__":
    sys.exit(main())
