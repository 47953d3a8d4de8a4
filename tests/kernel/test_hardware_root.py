"""The root key in a module: SoftHSM, a real PKCS#11 token in software."""

from pathlib import Path

import pytest

from kernel.errors import Undecryptable
from kernel.hardware_root import HardwareRoot
from kernel.root_keys import LocalKeyFile, RootKeyUnavailable
from kernel.secret import Secret
from tests.kernel.softhsm import MODULE, PIN

pytestmark = pytest.mark.skipif(MODULE is None, reason="SoftHSM (softhsm2) is not installed")


@pytest.fixture(scope="module")
def token(softhsm: None) -> str:  # noqa: ARG001  # makes the tokens
    return "civitas"


@pytest.fixture(scope="module")
def root(token: str) -> HardwareRoot:
    assert MODULE is not None
    return HardwareRoot.create(MODULE, token, PIN)


def test_what_it_wrapped_it_unwraps_after_a_new_login(root: HardwareRoot, token: str) -> None:
    assert MODULE is not None
    wrapped = root.wrap(b"k" * 32, associated_data=b"here")

    again = HardwareRoot.open(MODULE, token, PIN)

    assert again.unwrap(wrapped, associated_data=b"here") == b"k" * 32
    assert again.derive("index") == root.derive("index")
    assert root.derive("index") != root.derive("pseudonym")
    assert len(root.derive("index")) == 32


def test_a_wrapped_key_does_not_open_elsewhere_or_changed(root: HardwareRoot) -> None:
    wrapped = root.wrap(b"k" * 32, associated_data=b"here")
    changed = bytearray(wrapped)
    changed[-1] ^= 1

    for value, place in [(wrapped, b"there"), (bytes(changed), b"here"), (wrapped[:20], b"here")]:
        with pytest.raises(Undecryptable):
            root.unwrap(value, associated_data=place)


def test_what_a_key_file_wrapped_does_not_open(root: HardwareRoot, tmp_path: Path) -> None:
    wrapped = LocalKeyFile.create(tmp_path / "root.key").wrap(b"k" * 32, associated_data=b"")

    with pytest.raises(Undecryptable):
        root.unwrap(wrapped, associated_data=b"")


def test_a_second_creation_is_refused(root: HardwareRoot, token: str) -> None:
    assert MODULE is not None
    before = root.derive("index")

    with pytest.raises(RootKeyUnavailable, match="already"):
        HardwareRoot.create(MODULE, token, PIN)

    assert root.derive("index") == before


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("label", "pin", "words"),
    [
        ("locked", Secret("9999"), "PinIncorrect"),
        ("absent", PIN, "NoSuchToken"),
    ],
    ids=["wrong PIN", "no such token"],
)
def test_an_unreachable_root_says_why(label: str, pin: Secret[str], words: str) -> None:
    assert MODULE is not None

    with pytest.raises(RootKeyUnavailable, match=words):
        HardwareRoot.open(MODULE, label, pin)


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(RootKeyUnavailable, match="no PKCS#11 module"):
        HardwareRoot.open(tmp_path / "none.so", "civitas", PIN)


def test_an_empty_token_says_what_to_run(token: str) -> None:
    assert MODULE is not None
    assert token

    with pytest.raises(RootKeyUnavailable, match="create-root"):
        HardwareRoot.open(MODULE, "empty", PIN)
