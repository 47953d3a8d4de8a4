"""Each of our own rules, on the shapes it flags and on the shapes it leaves alone."""

from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

from tools.lint.__main__ import lint
from tools.lint.rules import (
    RULES,
    Rule,
    bare_secret,
    commit,
    length,
    redirect_from_request,
    session_scope,
)
from tools.lint.source import Source

ROOT = Path(__file__).parents[2]


def lines_found(rule: Rule, text: str, path: str = "idp/routes.py") -> list[int]:
    """Return the lines that `rule` flags in `text`, opt-outs taken into account."""
    source = Source.parse(PurePosixPath(path), dedent(text))
    return [
        found.line for found in rule.check(source) if not source.opts_out(found.line, rule.NAME)
    ]


class TestCommit:
    @pytest.mark.parametrize("call", ["session.commit()", "self.session.commit()"])
    def test_flags_a_commit(self, call: str) -> None:
        assert lines_found(commit, call) == [1]

    @pytest.mark.parametrize(
        "path", ["kernel/db.py", "migrations/env.py", "tests/races/test_codes.py"]
    )
    def test_leaves_its_places_alone(self, path: str) -> None:
        assert lines_found(commit, "session.commit()", path) == []

    def test_leaves_a_word_alone(self) -> None:
        assert lines_found(commit, "commit = 1\nprint(commit)") == []


class TestLength:
    @staticmethod
    def function(lines: int, docstring: str = "") -> str:
        """Return a function of as many lines of code, its `def` included."""
        head = ["def long() -> None:", *([f'    """{docstring}"""'] if docstring else [])]
        return "\n".join([*head, *["    pass"] * (lines - 1)])

    def test_flags_a_module_of_a_line_too_many(self) -> None:
        assert lines_found(length, "x = 1\n" * 401) == [1]

    def test_leaves_a_module_of_as_many_as_allowed(self) -> None:
        assert lines_found(length, "x = 1\n" * 400) == []

    @pytest.mark.parametrize("path", ["idp/tables.py", "tests/idp/test_x.py"])
    def test_leaves_lists_alone(self, path: str) -> None:
        assert lines_found(length, "x = 1\n" * 401, path) == []

    @pytest.mark.parametrize("path", ["idp/checks.py", "tests/idp/test_x.py"])
    def test_flags_a_function_of_a_line_too_many(self, path: str) -> None:
        assert lines_found(length, f"x = 1\n{self.function(61)}", path) == [2]

    def test_flags_a_method_and_a_coroutine(self) -> None:
        method = "\n".join(f"    {line}" for line in self.function(61).splitlines())

        assert lines_found(length, f"class A:\n{method}") == [2]
        assert lines_found(length, f"async {self.function(61)}") == [1]

    def test_does_not_count_what_is_promised(self) -> None:
        promised = "\n".join(["What it does.", "", "    Args:", *["        it: So."] * 20, "    "])

        assert lines_found(length, self.function(60, promised)) == []
        assert lines_found(length, self.function(61, promised)) == [1]

    def test_leaves_migrations_alone(self) -> None:
        path = "migrations/versions/0001_x.py"

        assert lines_found(length, self.function(500), path) == []

    def test_function_may_opt_out_with_a_reason(self) -> None:
        text = self.function(61).replace("None:", "None:  # lint: length: a table of steps", 1)

        assert lines_found(length, text) == []

    @pytest.mark.parametrize("path", length.LONG_MODULES)
    def test_excepted_module_is_still_long(self, path: str) -> None:
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) > length.MOST_LINES


class TestSessionScope:
    @pytest.mark.parametrize(
        "text",
        [
            "UnitOfWork = Annotated[Session, Depends(unit_of_work)]",
            "UnitOfWork = Annotated[Session, Depends(db.unit_of_work, scope='request')]",
            "def opened() -> Iterator[Session]: ...\nX = Depends(opened)",
            "def opened() -> Generator[Session, None, None]: ...\nX = fastapi.Depends(opened)",
        ],
        ids=["default", "request", "iterator", "generator"],
    )
    def test_flags_a_transaction_that_outlives_the_answer(self, text: str) -> None:
        assert lines_found(session_scope, text) == [len(text.splitlines())]

    @pytest.mark.parametrize(
        "text",
        [
            "UnitOfWork = Annotated[Session, Depends(unit_of_work, scope='function')]",
            "def clock() -> Clock: ...\nX = Depends(clock)",
            "def items() -> Iterator[int]: ...\nX = Depends(items)",
        ],
        ids=["function", "plain", "other-iterator"],
    )
    def test_leaves_others_alone(self, text: str) -> None:
        assert lines_found(session_scope, text) == []


class TestRedirectFromRequest:
    @pytest.mark.parametrize(
        "body",
        [
            "return RedirectResponse(request.query_params['next'])",
            "return RedirectResponse(url=str(request.url))",
            "return RedirectResponse(request.query_params.get('next', '/'))",
            "where = request.headers['referer']\n    return redirect(f'{where}#top')",
            "return RedirectResponse(next_page, status_code=303)",
        ],
        ids=["query", "url", "get", "by-name", "parameter"],
    )
    def test_flags_an_address_of_the_caller(self, body: str) -> None:
        text = f"@router.get('/')\ndef page(request: Request, next_page: str):\n    {body}"

        assert lines_found(redirect_from_request, text) == [len(text.splitlines())]

    @pytest.mark.parametrize(
        "body",
        [
            "return RedirectResponse('/sign-in')",
            "return RedirectResponse(parse_local_path(request.query_params['next']))",
            "return RedirectResponse(client.redirect_uris[0])",
            "return RedirectResponse(get_registered(client, next_page).address)",
        ],
        ids=["literal", "parsed", "stored", "looked-up"],
    )
    def test_leaves_checked_addresses_alone(self, body: str) -> None:
        text = f"@router.get('/')\ndef page(request: Request, next_page: str):\n    {body}"

        assert lines_found(redirect_from_request, text) == []


class TestBareSecret:
    @pytest.mark.parametrize(
        "text",
        [
            "def redeem(token: str): ...",
            "def sign_in(*, password: str | None = None): ...",
            "class Client:\n    client_secret: bytes",
            "clients = Table('clients', metadata, Column('client_secret', Text))",
        ],
        ids=["parameter", "optional", "field", "column"],
    )
    def test_flags_what_could_be_printed(self, text: str) -> None:
        assert lines_found(bare_secret, text) == [len(text.splitlines())]

    @pytest.mark.parametrize(
        "text",
        [
            "def redeem(token: Secret[str]): ...",
            "def issue(token_type: str, token_digest: bytes): ...",
            "clients = Table('clients', metadata, Column('client_secret_digest', LargeBinary))",
            "import pkcs11\ndef open_device(token: str): ...",
            "class Settings:\n    pkcs11_token: str",
        ],
        ids=["secret", "says-more", "digest", "device", "name-of-a-device"],
    )
    def test_leaves_others_alone(self, text: str) -> None:
        assert lines_found(bare_secret, text) == []

    def test_leaves_wire_shapes_alone(self) -> None:
        shape = "class TokenResponse:\n    access_token: str"

        assert lines_found(bare_secret, shape, "idp/schemas.py") == []


class TestOptOut:
    def test_needs_the_name_and_a_reason(self) -> None:
        text = """\
            one.commit()  # lint: commit: the tool's own database
            two.commit()  # lint: commit:
            three.commit()  # lint: session-scope: another rule
        """

        assert lines_found(commit, text) == [2, 3]

    def test_every_rule_tells_the_bug_and_what_to_write(self) -> None:
        for rule in RULES:
            told = rule.__doc__ or ""
            assert all(
                word in told for word in ("The bug:", "Flagged:", "Not flagged:", "Instead:")
            )


def test_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "service.py"
    file.write_text("session.commit()\n")

    assert [line.partition(": only")[0] for line in lint([file])] == [f"{file}:1: commit"]
