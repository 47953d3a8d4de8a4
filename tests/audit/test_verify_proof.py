"""`examples/verify_proof.py`, run as a citizen runs it: with a file and a key, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from audit.api import prove_inclusion
from audit.keys import current_key, verifier_key, verifier_keys
from kernel.ids import EntryId
from kernel.signing import SigningKeys
from tests.audit.audit_builders import ORIGIN, a_log

pytestmark = pytest.mark.db

SCRIPT = Path(__file__).parents[2] / "examples" / "verify_proof.py"

Proof = dict[str, Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def proof(session: Session, signing: SigningKeys) -> Proof:
    entry = a_log(session, signing, 300)[123]
    return prove_inclusion(session, entry.person_id, EntryId(entry.entry_id)).as_json()


@pytest.fixture
def key(signing: SigningKeys) -> str:
    return str(verifier_key(current_key(signing).public_jwk, origin=ORIGIN))


@pytest.fixture
def run(tmp_path: Path, key: str) -> Run:
    def verify(proof: object, *, with_key: str = key) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "proof.json"
        file.write_text(proof if isinstance(proof, str) else json.dumps(proof), "utf-8")
        # -I: nothing of ours can be imported.
        return subprocess.run(
            [sys.executable, "-I", SCRIPT, file, "--key", with_key],
            capture_output=True,
            text=True,
            check=False,
        )

    return verify


def test_true_proof_is_proven_and_shown(proof: Proof, run: Run) -> None:
    done = run(proof)

    assert done.returncode == 0, done.stderr
    assert "PROVEN" in done.stdout
    assert "action: partner_api.person.read" in done.stdout


def test_key_may_be_one_of_several_in_a_file(
    proof: Proof, run: Run, key: str, signing: SigningKeys, tmp_path: Path
) -> None:
    file = tmp_path / "keys.txt"
    keys = [str(each) for each in verifier_keys(signing, origin=ORIGIN)]
    assert len(keys) == 2
    file.write_text("\n".join(keys) + "\n")

    assert run(proof, with_key=str(file)).returncode == 0

    file.write_text(next(each for each in keys if each != key))
    assert run(proof, with_key=str(file)).returncode == 1
    assert run(proof, with_key=str(tmp_path / "none")).returncode == 1


@pytest.mark.parametrize(
    "change",
    [
        {"leaf_index": 122},
        {"leaf_index": -1},
        {"leaf_index": 300},
        {"leaf_index": "123"},
        {"hashes": []},
        {"hashes": "none"},
        {"hashes": ["not base64"]},
        {"hashes": [7]},
        {"checkpoint": ""},
        {"checkpoint": "a\nb\n"},
        {"format": "civitas-inclusion-proof/2"},
        {"leaf": "{}"},
        {"leaf": 5},
    ],
    ids=lambda change: "-".join(f"{key}={value!r}" for key, value in change.items()),
)
def test_changed_proof_is_not_proven(proof: Proof, run: Run, change: dict[str, Any]) -> None:
    done = run(proof | change)

    assert done.returncode == 1
    assert "NOT PROVEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_changed_entry_is_not_proven(proof: Proof, run: Run) -> None:
    done = run(proof | {"leaf": proof["leaf"].replace("allowed", "refused")})

    assert done.returncode == 1


def test_one_hash_more_or_less_is_not_proven(proof: Proof, run: Run) -> None:
    for hashes in (proof["hashes"][1:], proof["hashes"][:-1], proof["hashes"] * 2):
        assert run(proof | {"hashes": hashes}).returncode == 1


def test_checkpoint_of_another_tree_is_not_proven(proof: Proof, run: Run) -> None:
    done = run(proof | {"checkpoint": proof["checkpoint"].replace("\n300\n", "\n301\n")})

    assert done.returncode == 1


def test_another_key_does_not_prove(proof: Proof, run: Run, key: str) -> None:
    peter = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

    for wrong in (peter, key[:-4] + "AAAA", "", "a+b", key.replace("civitas", "divitas")):
        done = run(proof, with_key=wrong)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "{}"])
def test_file_that_is_no_proof(run: Run, content: str) -> None:
    done = run(content)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
