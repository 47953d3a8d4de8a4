"""The embedded server: it starts anywhere, as anyone, and loses nothing."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import psutil
import psycopg
import pytest
from sqlalchemy import text

from kernel import postgres, postgres_owner
from kernel.db import make_engine
from kernel.postgres import EmbeddedPostgres
from kernel.postgres_options import shared_buffers
from kernel.postgres_owner import PostgresUnavailable

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

HOLD = """
    import sys, time
    from pathlib import Path
    from kernel.postgres import EmbeddedPostgres
    server = EmbeddedPostgres(Path(sys.argv[1]))
    print(server.start(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="civitas-test-"))
    yield folder
    end(folder)


@pytest.fixture(scope="module")
def new_cluster() -> Iterator[Path]:
    """A cluster that was made and never used again."""
    folder = Path(tempfile.mkdtemp(prefix="civitas-test-"))
    end_of(folder)
    yield folder / "postgres"
    end(folder)


@pytest.fixture
def made(data: Path, new_cluster: Path) -> Path:
    """A data folder after its first start; making a cluster takes longer than copying one."""
    subprocess.run(["cp", "-a", new_cluster, data], check=True)
    return data


@pytest.fixture
def data_of_root() -> Iterator[Path]:
    """A data folder that only root can reach."""
    outer = Path(tempfile.mkdtemp(prefix="civitas-test-"))
    assert stat.S_IMODE(outer.stat().st_mode) == 0o700
    yield outer / "clone" / ".civitas"
    end(outer / "clone" / ".civitas")
    shutil.rmtree(outer)


def end(folder: Path) -> None:
    """Stop what a failed test may have left running, and remove the folder."""
    with contextlib.suppress(PostgresUnavailable, FileNotFoundError):
        server = EmbeddedPostgres(folder)
        while (pid := server.pid) is not None:
            os.kill(pid, signal.SIGQUIT)
            time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def another_process(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of its own that uses the server of `data`, and the address that it was told."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(data)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def write(url: str, value: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def read(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute("SELECT value FROM kept").fetchall()]


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedPostgres]:
    """A server for tests that only look."""
    data = Path(tempfile.mkdtemp(prefix="civitas-test-"))
    with EmbeddedPostgres(data, durable=False) as server:
        yield server
    end(data)


class TestStart:
    def test_one_address_serves_psycopg_asyncpg_and_sqlalchemy(
        self, running: EmbeddedPostgres
    ) -> None:
        async def ask(url: str) -> str:
            connection = await asyncpg.connect(url)
            answer = await connection.fetchval("SELECT 'asyncpg'")
            await connection.close()
            return str(answer)

        engine = make_engine(running.url)
        with psycopg.connect(running.url) as plain, engine.connect() as core:
            answers = [
                plain.execute("SELECT 'psycopg'").fetchone(),
                asyncio.run(ask(running.url)),
                core.scalar(text("SELECT 'sqlalchemy'")),
            ]
        engine.dispose()

        assert answers == [("psycopg",), "asyncpg", "sqlalchemy"]

    def test_sorts_by_code_point_and_knows_cyrillic(self, running: EmbeddedPostgres) -> None:
        with psycopg.connect(running.url) as connection:
            row = connection.execute(
                "SELECT array_agg(v ORDER BY v), upper('ёж'), current_setting('server_encoding')"
                " FROM (VALUES ('б'), ('Ё'), ('а'), ('Z'), ('a')) AS given(v)"
            ).fetchone()

        assert row == (["Z", "a", "Ё", "а", "б"], "ЁЖ", "UTF8")

    def test_wrong_password_is_refused(self, running: EmbeddedPostgres) -> None:
        password = running.url.partition("civitas:")[2].partition("@")[0]
        wrong = running.url.replace(password, "guess")

        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)

    def test_nobody_else_can_enter_the_cluster(self, running: EmbeddedPostgres) -> None:
        cluster = Path(running.url.partition("?host=")[2])

        modes = {
            path.name: stat.S_IMODE(path.lstat().st_mode)
            for path in (cluster, *cluster.glob("civitas.*"))
        }

        assert modes == {"postgres": 0o700, "civitas.password": 0o600}

    @pytest.mark.parametrize(
        ("durable", "fsync"), [(True, "on"), (False, "off")], ids=["durable", "forgetful"]
    )
    def test_only_tests_give_up_durability(self, made: Path, *, durable: bool, fsync: str) -> None:
        with (
            EmbeddedPostgres(made, durable=durable) as server,
            psycopg.connect(server.url) as connection,
        ):
            names = ("fsync", "synchronous_commit", "full_page_writes", "max_connections")
            found = [connection.execute(f"SHOW {name}").fetchone() for name in names]

        assert found == [(fsync,), (fsync,), (fsync,), ("200",)]

    def test_second_start_takes_well_under_a_second(self, made: Path) -> None:
        took = []
        for _ in range(3):
            began = time.monotonic()
            with EmbeddedPostgres(made, durable=False):
                took.append(time.monotonic() - began)

        assert min(took) < 0.8, took  # other tests run beside this one

    def test_a_long_path_is_no_obstacle(self, data: Path) -> None:
        long = data / ("long" * 30)

        with EmbeddedPostgres(long, durable=False) as server:
            write(server.url, "far away")
            assert read(server.url) == ["far away"]
            sockets = Path(server.url.partition("?host=")[2])

        assert not sockets.exists()

    def test_half_made_cluster_is_made_anew(self, data: Path) -> None:
        (data / "postgres.new").mkdir()
        (data / "postgres.new" / "PG_VERSION").write_text("18\n")

        with EmbeddedPostgres(data, durable=False) as server:
            write(server.url, "new")

        assert not (data / "postgres.new").exists()

    def test_cluster_of_another_version_is_refused(self, data: Path) -> None:
        (data / "postgres").mkdir()
        (data / "postgres" / "PG_VERSION").write_text("15\n")

        with pytest.raises(PostgresUnavailable, match="is of PostgreSQL 15"):
            EmbeddedPostgres(data).start()

    def test_server_that_fails_says_why(self, made: Path) -> None:
        end_of(made, EmbeddedPostgres(made, durable=False))
        with (made / "postgres" / "postgresql.conf").open("a") as configuration:
            configuration.write("no_such_setting = on\n")

        with pytest.raises(PostgresUnavailable, match="no_such_setting"):
            EmbeddedPostgres(made, durable=False).start()

    @pytest.mark.parametrize(
        ("memory_mib", "shared"), [(512, "128MB"), (4096, "512MB"), (1 << 16, "4096MB")]
    )
    def test_keeps_an_eighth_of_the_memory_at_hand(
        self, monkeypatch: pytest.MonkeyPatch, memory_mib: int, shared: str
    ) -> None:
        memory = SimpleNamespace(total=memory_mib << 20)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)

        assert shared_buffers() == shared


class TestStop:
    def test_restart_keeps_the_data(self, made: Path) -> None:
        with EmbeddedPostgres(made) as server:
            write(server.url, "first")
        assert server.pid is None

        with EmbeddedPostgres(made) as server:
            assert read(server.url) == ["first"]

    def test_last_one_to_leave_stops_the_server(self, made: Path) -> None:
        first = EmbeddedPostgres(made, durable=False)
        with another_process(made) as (other, url):
            first.start()
            assert first.url == url

            first.stop()
            still_running = first.pid
            first.start()
            other.kill()
            other.wait()
            first.stop()

        assert still_running is not None
        assert first.pid is None

    def test_start_and_stop_may_be_repeated(self, made: Path) -> None:
        server = EmbeddedPostgres(made, durable=False)
        server.stop()

        assert server.start() == server.start()
        server.stop()
        server.stop()

        assert server.pid is None


class TestCrash:
    def test_killed_parent_loses_nothing_and_leaves_nothing(self, made: Path) -> None:
        with another_process(made) as (parent, url):
            write(url, "before the kill")
            parent.kill()
            parent.wait()

        with EmbeddedPostgres(made) as server:
            kept = read(server.url)

        assert kept == ["before the kill"]
        assert server.pid is None

    def test_killed_server_loses_nothing(self, made: Path) -> None:
        server = EmbeddedPostgres(made)
        write(server.start(), "before the kill")
        pid = server.pid
        assert pid is not None

        os.kill(pid, signal.SIGKILL)
        with EmbeddedPostgres(made) as next_one:
            assert read(next_one.url) == ["before the kill"]
            assert next_one.pid not in {pid, None}
        server.stop()

        assert server.pid is None

    def test_all_killed_at_once_with_a_transaction_open(self, made: Path) -> None:
        with another_process(made) as (parent, url):
            write(url, "committed")
            with psycopg.connect(url) as open_connection:
                open_connection.execute("INSERT INTO kept VALUES ('not committed')")
                pid = EmbeddedPostgres(made).pid
                assert pid is not None
                family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
                for process in (*family, psutil.Process(parent.pid)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                open_connection.close()

        with EmbeddedPostgres(made) as server:
            assert read(server.url) == ["committed"]

    def test_number_of_a_dead_server_given_to_a_stranger(self, made: Path) -> None:
        end_of(made, EmbeddedPostgres(made, durable=False))
        lock_file = made / "postgres" / "postmaster.pid"
        lock_file.write_text(f"{os.getpid()}\n{made / 'postgres'}\n0\n5432\n\n\n\nready\n")

        with EmbeddedPostgres(made, durable=False) as server:
            write(server.url, "here")

    def test_two_that_start_at_once_share_one_server(self, data: Path) -> None:
        with another_process(data) as (_, one), another_process(data) as (_, two):
            assert one == two
            write(one, "shared")
            assert read(two) == ["shared"]
        end_of(data)


@needs_root
class TestRoot:
    def test_data_that_only_root_can_reach_stays_where_it_is(self, data_of_root: Path) -> None:
        with EmbeddedPostgres(data_of_root) as server:
            write(server.url, "below /root")
            pid = server.pid
            assert pid is not None
            owner = psutil.Process(pid).uids().effective

        assert owner == pwd.getpwnam("nobody").pw_uid
        assert (data_of_root / "postgres" / "PG_VERSION").exists()
        with EmbeddedPostgres(data_of_root) as server:
            assert read(server.url) == ["below /root"]

    def test_folders_of_others_stay_as_they_were(self, data_of_root: Path) -> None:
        users = Path("/etc/passwd").read_bytes()
        watched = [data_of_root.parent.parent, Path(postgres.__file__).parent]
        before = [(path.stat().st_mode, path.stat().st_uid) for path in watched]

        with EmbeddedPostgres(data_of_root, durable=False):
            pass

        assert [(path.stat().st_mode, path.stat().st_uid) for path in watched] == before
        assert Path("/etc/passwd").read_bytes() == users

    def test_umask_that_closes_everything_is_no_obstacle(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data.chmod(0o755)
        monkeypatch.setattr(postgres_owner, "_CACHE", data / "cache")
        closed_umask = 0o077
        before = os.umask(closed_umask)

        try:
            with EmbeddedPostgres(data / "data", durable=False) as server:
                write(server.url, "open enough")
        finally:
            os.umask(before)

    def test_copy_that_others_could_change_is_refused(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = data / "cache"
        monkeypatch.setattr(postgres_owner, "_CACHE", cache)
        cache.mkdir()
        cache.chmod(0o777)

        with pytest.raises(PostgresUnavailable, match="can be changed by others than root"):
            EmbeddedPostgres(data / "data", durable=False).start()

    def test_cluster_of_an_ordinary_user_is_run_as_that_user(self, data: Path) -> None:
        as_ordinary_user(data, "made by nobody")

        with EmbeddedPostgres(data, durable=False) as server:
            assert read(server.url) == ["made by nobody"]


class TestOrdinaryUser:
    def test_starts_and_stops_without_privileges(self, data: Path) -> None:
        as_ordinary_user(data, "first")
        as_ordinary_user(data, "second")

        assert EmbeddedPostgres(data).pid is None

    @needs_root
    def test_cluster_of_somebody_else_is_refused(self, data: Path) -> None:
        as_ordinary_user(data, "first")
        os.chown(data / "postgres", 1, 1)

        with pytest.raises(AssertionError, match="belongs to another user"):
            as_ordinary_user(data, "never written")

    @needs_root
    def test_data_folder_of_root_is_refused(self, data: Path) -> None:
        end_of(data)

        with pytest.raises(AssertionError, match="perhaps root made it"):
            as_ordinary_user(data, "never written", owns_data=False)

    @needs_root
    def test_visit_of_root_does_not_lock_the_owner_out(self, data: Path) -> None:
        as_ordinary_user(data, "first")
        end_of(data)

        as_ordinary_user(data, "second")


def end_of(data: Path, server: EmbeddedPostgres | None = None) -> None:
    """Start the server of `data`, or join it, and stop it."""
    server = server or EmbeddedPostgres(data, durable=False)
    server.start()
    server.stop()


def as_ordinary_user(data: Path, value: str, *, owns_data: bool = True) -> None:
    """Write `value` through a server that a process without privileges starts and stops."""
    if os.geteuid() != 0:
        with EmbeddedPostgres(data, durable=False) as server:
            write(server.url, value)
        return

    # Where the tests' own environment lies, perhaps only root can go: what the process needs is
    # loaded before it gives up root, and the programs are root's copy.
    nobody = pwd.getpwnam("nobody")
    programs = postgres_owner.programs_for(
        postgres_owner.Owner(nobody.pw_uid, nobody.pw_gid, drop=True)
    )
    if owns_data:
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
    else:
        data.chmod(0o755)
    report, child_report = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            vars(postgres)["programs_for"] = lambda _: programs
            with EmbeddedPostgres(data, durable=False) as server:
                write(server.url, value)
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is, the parent reports it
            os.write(child_report, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(child_report)
    with os.fdopen(report) as text_of_child:
        assert os.waitpid(child, 0)[1] == 0, text_of_child.read()
