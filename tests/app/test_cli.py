"""The `civitas` command, as an operator runs it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from app.cli.run import bank_environment
from app.demo.agencies import DEMO_FEEDS
from idp.buckets import DPOP_PROOFS
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.settings import Settings
from population_register.api import add_agency
from tests.commands import Installation
from tests.databases import temporary_database

pytestmark = [pytest.mark.db, pytest.mark.timeout(60), pytest.mark.usefixtures("logging_as_before")]

FEED: list[dict[str, Any]] = [
    {
        "record_number": "1",
        "version": 1,
        "valid_from": "2020-01-01",
        "family_name": "Петрова",
        "given_name": "Ольга",
        "middle_name": "Ивановна",
        "birthdate": "1980-05-17",
        "snils": "900-000-001 82",
    },
    {"record_number": "2", "version": 1, "valid_from": "2020-01-01", "snils": "900-000-001 03"},
]


@pytest.fixture(scope="module")
def installation(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with temporary_database(server_url) as url:
        yield Installation(url, tmp_path_factory.mktemp("data"))


@pytest.fixture
def agency(installation: Installation) -> str:
    """The civil registry, as the demonstration enters it."""
    engine = make_engine(installation.database_url)
    with unit_of_work_of(make_sessions(engine)) as session:
        add_agency(session, DEMO_FEEDS[0].agency, datetime(2026, 11, 23, tzinfo=UTC))
    engine.dispose()
    return DEMO_FEEDS[0].agency.agency_id


class TestUsage:
    def test_help_lists_every_command_and_the_exit_codes(self, installation: Installation) -> None:
        done = installation.run("--help")

        assert done.exit_code == 0
        for command in (
            *("run", "migrate", "serve", "worker", "partner", "client", "feed", "operator"),
            *("audit", "keys", "storage", "demo"),
        ):
            assert f"  {command} " in done.stdout
        assert "Exit codes: 0 done; 1 refused" in done.stdout

    def test_unknown_command_is_wrong_usage(self, installation: Installation) -> None:
        assert installation.run("nonsense").exit_code == 2

    @pytest.mark.parametrize(
        "command",
        [
            ("feed", "load", "pyproject.toml", "--agency", "tax", "--rejections"),
            ("matching", "evaluate", "pyproject.toml", "--mapping", "pyproject.toml", "--clusters"),
            ("statistics", "extract", "--recipient", "r", "--field", "sex", "--k", "5"),
        ],
        ids=lambda words: words[0],
    )
    def test_file_that_can_not_be_written_is_wrong_usage_before_any_work(
        self, installation: Installation, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        done = installation.run(*command, str(tmp_path / "nowhere" / "out.csv"))

        assert done.exit_code == 2
        assert "can't be written" in done.stderr

    def test_unreachable_database_is_told_without_its_password(
        self, installation: Installation
    ) -> None:
        done = installation.run(
            "migrate",
            CIVITAS_DATABASE_URL="postgresql://civitas:hunter2@127.0.0.1:1/civitas",
        )

        assert done.exit_code == 3
        assert "can't be reached" in done.stderr
        assert "hunter2" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr

    def test_fault_in_the_settings_is_named_without_its_value(
        self, installation: Installation
    ) -> None:
        done = installation.run("migrate", "--json", CIVITAS_PORT="seventy")

        assert done.exit_code == 3
        assert json.loads(done.stdout)["error"] == "invalid_settings"
        assert "CIVITAS_PORT" in done.stdout

    def test_production_refuses_a_local_key_file(self, installation: Installation) -> None:
        done = installation.run(
            "keys", "list", CIVITAS_MODE="production", CIVITAS_ISSUER="https://id.example"
        )

        assert done.exit_code == 3

    def test_run_refuses_production(self, installation: Installation) -> None:
        done = installation.run("run", CIVITAS_MODE="production")

        assert done.exit_code == 3

    def test_root_key_that_others_can_read_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        key = tmp_path / "root.key"
        key.write_text("civitas-root-key-1 " + "00" * 32)
        key.chmod(0o644)

        done = installation.run("keys", "list", CIVITAS_ROOT_KEY_FILE=str(key))

        assert done.exit_code == 3
        assert "chmod 600" in done.stderr


class TestMigrate:
    def test_migrating_twice_changes_nothing(self, installation: Installation) -> None:
        assert installation.json("migrate") == {"migrated": True}
        assert installation.json("migrate") == {"migrated": True}


class TestKeys:
    def test_every_use_has_a_current_and_a_next_key(self, installation: Installation) -> None:
        signing = installation.json("keys", "list")["signing"]

        states = {(key["use"], key["alg"], key["state"]) for key in signing}
        for use, alg in (
            *(("oidc", "ES256"), ("oidc", "RS256"), ("partner", "ES256")),
            *(("consent", "ES256"), ("log", "EdDSA")),
        ):
            assert {(use, alg, "current"), (use, alg, "next")} <= states

    def test_rotation_lets_the_next_key_sign(self, installation: Installation) -> None:
        def kids(state: str) -> set[str]:
            keys = installation.json("keys", "list")["signing"]
            return {k["kid"] for k in keys if k["use"] == "partner" and k["state"] == state}

        coming = kids("next")

        rotated = installation.json("keys", "rotate", "partner", "--at-once")

        assert set(rotated["partner"]) == coming
        assert kids("current") == coming
        assert not kids("next") & coming

    def test_key_that_not_everybody_can_have_does_not_sign_but_in_an_emergency(
        self, installation: Installation
    ) -> None:
        installation.json("keys", "rotate", "consent", "--at-once")

        again = installation.run("keys", "rotate", "consent")
        at_once = installation.json("keys", "rotate", "consent", "--at-once")

        assert again.exit_code == 3
        assert "--at-once" in again.output
        assert len(at_once["consent"]) == 1

    def test_rotation_of_the_zone_key_rewraps_and_does_not_touch_the_logs_key(
        self, installation: Installation
    ) -> None:
        before = installation.json("keys", "list")

        rotated = installation.json("keys", "rotate")

        after = installation.json("keys", "list")
        assert rotated["zone"]["version"] == before["zone"]["current_version"] + 1
        assert after["zone"]["current_version"] == rotated["zone"]["version"]
        log_keys = {k["kid"] for k in before["signing"] if k["use"] == "log"}
        assert log_keys == {k["kid"] for k in after["signing"] if k["use"] == "log"}


class TestBank:
    def test_trusts_whom_an_institution_trusts_beside_the_well_known(self) -> None:
        ours = Settings(mode="test", outbound_ca_file=Path("ca.pem"))

        assert bank_environment(ours) == {"SSL_CERT_FILE": str(Path("ca.pem").absolute())}
        assert bank_environment(Settings(mode="test")) == {}


class TestAudit:
    def test_untouched_log_is_sound(self, installation: Installation) -> None:
        report = installation.json("audit", "verify")

        assert report["is_sound"] is True
        assert report["findings"] == []


@pytest.fixture(scope="module")
def entered(installation: Installation) -> dict[str, Any]:
    entered: dict[str, Any] = installation.json("partner", "add", "shop", "--name", "Лавка")
    return entered


class TestPartners:
    METADATA = json.dumps(
        {
            "client_name": "Shop",
            "redirect_uris": ["https://shop.example/cb"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
    )

    def test_entered_partner_is_verified_and_gets_a_token_once(
        self, installation: Installation, entered: dict[str, Any]
    ) -> None:
        (shop,) = [p for p in installation.json("partner", "list") if p["partner_id"] == "shop"]

        assert entered["initial_access_token"].startswith("cvn_")
        assert (shop["name"], shop["is_verified"]) == ("Лавка", True)
        assert "cvn_" not in json.dumps(shop)

    @pytest.mark.usefixtures("entered")
    def test_partner_is_entered_once(self, installation: Installation) -> None:
        refused = installation.json("partner", "add", "shop", "--name", "Other", exit_code=1)

        assert refused["error"] == "conflict"

    def test_token_of_a_stranger_is_refused(self, installation: Installation) -> None:
        assert installation.json("partner", "token", "nobody", exit_code=1)["error"] == "not_found"

    @pytest.mark.usefixtures("entered")
    def test_client_is_added_listed_and_disabled_for_good(self, installation: Installation) -> None:
        arguments = ("client", "add", "--partner", "shop", "--profile", "oidc", "-", "--json")
        added = json.loads(installation.run(*arguments, stdin=self.METADATA).stdout)

        client_id = added["client_id"]
        listed = installation.json("client", "list", "--partner", "shop")
        disabled = installation.json("client", "disable", client_id)
        again = installation.json("client", "disable", client_id, exit_code=1)

        assert added["client_secret"].startswith("cvk_")
        assert [c["client_id"] for c in listed] == [client_id]
        assert "secret" not in json.dumps(listed)
        assert disabled == {"client_id": client_id, "disabled": True}
        assert again["error"] == "not_found"

    @pytest.mark.usefixtures("entered")
    @pytest.mark.parametrize(
        ("metadata", "code"),
        [
            ("{", "invalid_request"),
            ("[]", "invalid_request"),
            ("{}", "invalid_redirect_uri"),
            ('{"redirect_uris": ["javascript:alert(1)"]}', "invalid_redirect_uri"),
            ('{"redirect_uris": ["https://x.example"], "jwks": 1}', "invalid_client_metadata"),
        ],
    )
    def test_bad_metadata_is_refused_and_adds_nothing(
        self, installation: Installation, metadata: str, code: str
    ) -> None:
        before = installation.json("client", "list")

        done = installation.run(
            *("client", "add", "--partner", "shop", "--profile", "oidc", "-", "--json"),
            stdin=metadata,
        )

        assert done.exit_code == 1
        assert json.loads(done.stdout)["error"] == code
        assert installation.json("client", "list") == before


class TestFeed:
    def test_feed_is_loaded_once_with_a_report_of_what_was_rejected(
        self, installation: Installation, agency: str, tmp_path: Path
    ) -> None:
        feed, report = tmp_path / "feed.ndjson", tmp_path / "rejected.csv"
        feed.write_text("".join(json.dumps(row) + "\n" for row in FEED))
        load = ("feed", "load", str(feed), "--agency", agency)

        first = installation.json(*load, "--rejections", str(report), exit_code=4)
        second = installation.json(*load, exit_code=4)

        assert (first["new"], first["rejected"], first["rows"]) == (1, 1, 2)
        assert second == first
        assert report.read_text().startswith("line,field,reason,advice")
        assert "900-000-001" not in report.read_text()
        listed = [f["feed_id"] for f in installation.json("feed", "list", "--agency", agency)]
        assert listed.count(first["feed_id"]) == 1

    def test_report_of_another_format_is_refused_before_anything_is_loaded(
        self, installation: Installation, agency: str, tmp_path: Path
    ) -> None:
        feed, report = tmp_path / "other.ndjson", tmp_path / "rejected.txt"
        feed.write_text("{}\n")
        before = installation.json("feed", "list", "--agency", agency)
        load = ("feed", "load", str(feed), "--agency", agency, "--rejections", str(report))

        refused = installation.json(*load, exit_code=1)

        assert refused["error"] == "feed_refused"
        assert installation.json("feed", "list", "--agency", agency) == before

    def test_loaded_person_gets_an_account_from_an_operator(
        self, installation: Installation, agency: str, tmp_path: Path
    ) -> None:
        feed = tmp_path / "feed.ndjson"
        feed.write_text("".join(json.dumps(row) + "\n" for row in FEED))
        installation.run("feed", "load", str(feed), "--agency", agency)
        add = ("operator", "add-account", "--snils", FEED[0]["snils"], "--username", "olga")

        added = installation.json(*add, "--password", "samovar-lantern-9")
        taken = installation.json(*add, "--password", "samovar-lantern-9", exit_code=1)
        weak = installation.json(*add[:-1], "olga2", "--password", "password", exit_code=1)

        assert added["level"] == "confirmed"
        assert taken["error"] == "username_taken"
        assert weak["error"] == "unacceptable_password"

    def test_official_is_entered_changed_and_disabled(self, installation: Installation) -> None:
        add = ("operator", "add", "v.ilina", "--name", "Вера Ильина", "--role", "clerk")
        good = ("--password", "quiet-lantern-archive")

        added = installation.json(*add, "--role", "auditor", *good)
        again = installation.json(*add, *good, exit_code=1)
        weak = installation.json("operator", "password", "v.ilina", "--password", "short-one-123",
                                 exit_code=1)  # fmt: skip
        installation.json("operator", "password", "v.ilina", "--password", "granite-ferry-ledger")
        installation.json("operator", "disable", "v.ilina")
        gone = installation.json("operator", "disable", "v.ilina", exit_code=1)

        assert added == {"operator_id": "v.ilina", "roles": ["auditor", "clerk"]}
        assert again["error"] == "operator_refused"
        assert weak["error"] == "unacceptable_password"
        assert gone["error"] == "unknown_operator"
        reset = ("operator", "reset-second-factor")
        assert installation.json(*reset, "v.ilina", exit_code=1)["error"] == "no_second_factor"
        assert installation.json(*reset, "nobody", exit_code=1)["error"] == "unknown_operator"
        (listed,) = [
            each
            for each in installation.json("operator", "list")["operators"]
            if each["operator_id"] == "v.ilina"
        ]
        assert listed["disabled_at"]
        assert listed["second_factor_since"] == ""
        assert installation.run("operator", "add", "x", "--name", "X").exit_code == 2

    def test_register_that_stands_right_is_left_alone(self, installation: Installation) -> None:
        assert installation.json("matching", "rebuild")["persons"] == 0
        assert installation.run("matching", "rebuild", "x").exit_code == 2

    def test_nobody_gets_no_account(self, installation: Installation) -> None:
        refused = installation.json(
            *("operator", "add-account", "--snils", "900-000-321 95", "--username", "x"),
            *("--password", "samovar-lantern-9"),
            exit_code=1,
        )

        assert refused["error"] == "not_found"

    def test_feed_of_a_stranger_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        feed = tmp_path / "feed.ndjson"
        feed.write_text("{}\n")

        refused = installation.json("feed", "load", str(feed), "--agency", "nobody", exit_code=1)

        assert refused["error"] == "unknown_agency"

    def test_file_of_another_kind_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        feed = tmp_path / "feed.xlsx"
        feed.write_bytes(b"PK")

        refused = installation.json("feed", "load", str(feed), "--agency", "fns", exit_code=1)

        assert refused["error"] == "feed_refused"

    def test_missing_file_is_wrong_usage(self, installation: Installation) -> None:
        done = installation.run("feed", "load", "/nowhere.csv", "--agency", "fns")

        assert done.exit_code == 2


class TestDemo:
    def test_people_have_what_it_takes_to_sign_in(self, installation: Installation) -> None:
        people = installation.json("demo", "people")

        assert len(people) >= 5
        assert all(person["username"] and person["password"] for person in people)

    def test_officials_have_a_code_too(self, installation: Installation) -> None:
        officials = installation.json("demo", "officials")

        assert [each["role"] for each in officials] == ["clerk", "approver", "auditor"]
        assert all(each["code"].isdigit() and each["password"] for each in officials)


class TestStorage:
    def test_what_has_run_out_is_dropped_and_told(self, installation: Installation) -> None:
        now = SystemClock().now()
        gone = DPOP_PROOFS.stale(now)[0]
        live = DPOP_PROOFS.slot(now)
        with psycopg.connect(installation.database_url, autocommit=True) as connection:
            for slot in (gone, live):
                connection.execute(
                    "INSERT INTO spent_dpop_proofs VALUES (%s, %s)", (slot, bytes(32))
                )
            connection.execute(
                "INSERT INTO session_cookies SELECT sha256(n::text::bytea), gen_random_uuid(), "
                "gen_random_uuid(), now() - n * interval '20 hours' FROM generate_series(1, 3) n"
            )

        dropped = installation.json("storage", "drop")
        again = installation.json("storage", "drop")
        shown = {row["table"]: row for row in installation.json("storage", "show")}

        assert [each["partition"] for each in dropped["partitions"]] == [
            f"spent_dpop_proofs_{gone}"
        ]
        assert dropped["partitions"][0]["bytes"] > 0
        assert dropped["rows"] == {"session_cookies": 2}
        assert again == {"partitions": [], "rows": {}}
        assert shown["spent_dpop_proofs"]["partitions"] == DPOP_PROOFS.slots
        assert shown["session_cookies"]["bytes"] > 0
        assert "Nothing has run out." in installation.run("storage", "drop").stdout


class TestStatistics:
    """`civitas statistics`: an operator counts, pays, and writes an extract."""

    def test_from_a_recipient_to_an_extract(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        recipient = ("--recipient", "rosstat")
        installation.json(
            "statistics", "recipient", "add", "rosstat", "--name", "Росстат", "--budget", "1"
        )
        installation.json("statistics", "snapshot")

        counted = installation.json("statistics", "count", *recipient, "--epsilon", "0.4")
        too_much = installation.json(
            *("statistics", "count", *recipient, "--by", "sex", "--epsilon", "0.7"), exit_code=1
        )
        file = tmp_path / "extract.csv"
        extracted = installation.json(
            *("statistics", "extract", str(file), *recipient, "--field", "sex", "--k", "5")
        )
        again = installation.run(
            *("statistics", "extract", str(file), *recipient, "--field", "sex", "--k", "5")
        )

        assert counted["left"] == 0.6
        assert too_much["error"] == "privacy_budget_spent"
        assert file.read_text().splitlines()[0] == "pseudonym,sex"
        assert len(file.read_text().splitlines()) == extracted["rows"] + 1
        assert again.exit_code == 2
        listed = installation.json("statistics", "releases", *recipient)
        assert [release["kind"] for release in listed] == ["extract", "count"]
        assert [row["left"] for row in installation.json("statistics", "recipient", "list")] == [
            0.6
        ]
        for command in ("recipient", "list"), ("releases", *recipient):
            assert installation.run("statistics", *command).exit_code == 0


class TestUpstreams:
    ARGUMENTS = (
        "upstream", "add", "tver", "--issuer", "https://id.tver.example", "--client-id", "civitas",
        "--name-ru", "Тверская область", "--name-en", "Tver Region", "--secret-file", "-",
        "--level", "urn:tver:high", "confirmed", "--level", "amr:mfa", "standard",
    )  # fmt: skip

    def test_entered_listed_and_taken_out_of_use(self, installation: Installation) -> None:
        done = installation.run(*self.ARGUMENTS, "--json", stdin="a secret\n")

        assert done.exit_code == 0, done.output
        assert "a secret" not in done.output
        assert json.loads(done.stdout)["redirect_uri"].endswith("/upstream/tver/callback")
        (listed,) = installation.json("upstream", "list")
        assert (listed["ceiling"], listed["identifies"], listed["is_in_use"]) == (
            "standard", False, True,
        )  # fmt: skip
        assert installation.run(*self.ARGUMENTS, stdin="another").exit_code == 1
        installation.json("upstream", "disable", "tver")
        assert installation.json("upstream", "list")[0]["is_in_use"] is False
        assert installation.run("upstream", "disable", "tver").exit_code == 1

    @pytest.mark.parametrize(
        "change",
        [
            ("--issuer", "ftp://id.example"),
            ("--issuer", "https://id.example?x"),
            ("--alg", "none"),
            ("--alg", "HS256"),
            ("--scope", "profile"),
            ("--name-ru", " "),
        ],
    )
    def test_what_can_not_work_is_refused(
        self, installation: Installation, change: tuple[str, str]
    ) -> None:
        arguments = [*self.ARGUMENTS, *change, "--json"]
        arguments[2] = "kaluga"

        done = installation.run(*arguments, stdin="a secret")

        assert done.exit_code == 1
        assert json.loads(done.stdout)["error"] == "upstream_not_possible"

    @pytest.mark.parametrize("key", ["", "no JSON", "[]", "{}", '{"kty": "oct", "k": "AAAA"}'])
    def test_what_is_no_private_key_is_refused(self, installation: Installation, key: str) -> None:
        arguments = ["--key-file" if a == "--secret-file" else a for a in self.ARGUMENTS]
        arguments[2] = "ryazan"

        assert installation.run(*arguments, stdin=key).exit_code == 1

    def test_secret_and_key_exclude_each_other(self, installation: Installation) -> None:
        done = installation.run(*self.ARGUMENTS, "--key-file", "-", stdin="x")

        assert done.exit_code == 2


class TestDecidingWhoIsWho:
    """What the records leave open, somebody decides; and takes it back."""

    ONE: ClassVar[dict[str, Any]] = {
        **{name: FEED[0][name] for name in ("version", "valid_from")},
        "family_name": "Волкова",
        "given_name": "Анна",
        "middle_name": "Дмитриевна",
    }
    ROWS: ClassVar[list[dict[str, Any]]] = [
        {**ONE, "record_number": "77", "birthdate": "1986-03-14", "snils": "900-000-003 84"},
        {**ONE, "record_number": "78", "birthdate": "1986-04-13"},
    ]

    def test_from_the_question_to_a_merge_and_back(
        self, installation: Installation, agency: str, tmp_path: Path
    ) -> None:
        feed = tmp_path / "doubtful.ndjson"
        feed.write_text("".join(json.dumps(row) + "\n" for row in self.ROWS), encoding="utf-8")
        installation.run("feed", "load", str(feed), "--agency", agency)
        by = ("--official", "operator-1", "--reason", "saw both passports")

        (case,) = installation.json("matching", "review")["cases"]
        view = installation.json("matching", "review", *case["persons"])
        merged = installation.json("matching", "merge", *case["persons"], *by)
        left = installation.json("matching", "review")["cases"]
        believed = ("matching", "believed", case["persons"][1], "--about", "2026-01-01", "--at")
        now = installation.json(*believed, "2100-01-01")["attributes"]
        installation.json("matching", "unmerge", merged["merge_id"], *by)
        again = installation.json("matching", "unmerge", merged["merge_id"], *by, exit_code=1)
        reviewed = installation.json("matching", "review")["cases"]
        ruled = installation.json(
            "matching", "decide", *case["persons"], "--verdict", "different", *by
        )

        assert any(w.startswith("same family name: +") for w in view["compared"][0]["evidence"])
        assert (left, reviewed) == ([], [case])
        assert now["snils"]["value"] == "900-000-003 84"
        assert again["error"] == "already_decided"
        assert ruled["decision_id"]
        assert installation.json("matching", "review")["cases"] == []
        why = installation.json("matching", "explain", case["persons"][0])["decisions"]
        assert [one["outcome"] for one in why] in (["new"], ["ask"])


class TestWorkLists:
    """What can't be true is found, listed for its agency, and answered for it."""

    ROW: ClassVar[dict[str, Any]] = {
        **{name: FEED[0][name] for name in ("version", "valid_from")},
        "record_number": "91",
        "family_name": "Жигулёва",
        "given_name": "Тамара",
        "birthdate": "1901-08-09",
    }

    def test_from_the_check_to_an_answer(
        self, installation: Installation, agency: str, tmp_path: Path
    ) -> None:
        feed = tmp_path / "impossible.ndjson"
        feed.write_text(json.dumps(self.ROW) + "\n", encoding="utf-8")
        installation.run("feed", "load", str(feed), "--agency", agency)
        by = ("--official", "operator-1")

        counts = installation.json("register", "check")
        (item,) = installation.json("register", "worklist", agency, *by)
        shown = installation.run("register", "worklist", agency, *by)
        answer = ("register", "answer", agency, item["item_id"])
        unexplained = installation.json(*answer, "refused", *by, exit_code=1)
        installation.json(*answer, "refused", "--explanation", "Жива", *by)
        again = installation.json(*answer, "corrected", *by, exit_code=1)

        assert (counts["opened"], counts["known"]) == (1, 0)
        assert (item["rule"], item["record_numbers"]) == ("lives_too_long", ["91"])
        assert "Older than 120" in shown.stdout
        assert (unexplained["error"], again["error"]) == ("answer_refused", "work_item_done")
        assert installation.json("register", "worklist", agency, *by) == []
        (counted,) = installation.json("register", "worklists")
        assert (counted["agency"], counted["answered"], counted["open"]) == (agency, 1, 0)
        assert "people were looked at" in installation.run("register", "check").stdout
