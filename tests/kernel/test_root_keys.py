"""The key file: private, complete, and the same root for everyone who opens it."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernel.errors import Undecryptable
from kernel.root_keys import LocalKeyFile, RootKeyFileError


def test_a_created_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    LocalKeyFile.create(tmp_path / "keys" / "root.key")

    assert stat.S_IMODE((tmp_path / "keys" / "root.key").stat().st_mode) == 0o600


def test_what_one_process_wrapped_another_unwraps(tmp_path: Path) -> None:
    first = LocalKeyFile.create(tmp_path / "root.key")
    second = LocalKeyFile.open(tmp_path / "root.key")

    wrapped = first.wrap(b"k" * 32, associated_data=b"here")

    assert second.unwrap(wrapped, associated_data=b"here") == b"k" * 32
    assert first.derive("index") == second.derive("index")


def test_a_wrapped_key_does_not_open_elsewhere(tmp_path: Path) -> None:
    root = LocalKeyFile.create(tmp_path / "root.key")

    wrapped = root.wrap(b"k" * 32, associated_data=b"here")

    with pytest.raises(Undecryptable):
        root.unwrap(wrapped, associated_data=b"there")


def test_of_many_that_create_at_once_all_get_the_same_root(tmp_path: Path) -> None:
    path = tmp_path / "root.key"

    def create(_: int) -> bytes:
        return LocalKeyFile.create(path).derive("x")

    with ThreadPoolExecutor(8) as pool:
        roots = set(pool.map(create, range(8)))

    assert roots == {LocalKeyFile.open(path).derive("x")}
    assert [file.name for file in tmp_path.iterdir()] == ["root.key"]


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RootKeyFileError, match="CIVITAS_ROOT_KEY_FILE"):
        LocalKeyFile.open(tmp_path / "root.key")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    LocalKeyFile.create(tmp_path / "root.key")
    (tmp_path / "root.key").chmod(0o640)

    with pytest.raises(RootKeyFileError, match="chmod 600"):
        LocalKeyFile.open(tmp_path / "root.key")


@pytest.mark.parametrize(
    "content", [b"", b"civitas-root-key-v1:00ff\n", b"civitas-root-key-v2:" + b"0" * 64]
)
def test_a_malformed_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "root.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(RootKeyFileError, match="version 1"):
        LocalKeyFile.open(path)


def test_the_key_does_not_show(tmp_path: Path) -> None:
    root = LocalKeyFile.create(tmp_path / "root.key")

    assert "…" in repr(root)
