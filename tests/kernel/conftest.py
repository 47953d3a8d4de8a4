"""Tokens for the tests of what lies in a module."""

import pytest

from tests.kernel.softhsm import MODULE, make_token


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the tokens; the module reads its configuration once per process: one folder serves."""
    if MODULE is None:
        pytest.skip("SoftHSM (softhsm2) is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(configuration))
    for label in ("civitas", "empty", "locked", "signing"):
        make_token(label)
