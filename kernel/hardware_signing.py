"""Signing keys in a hardware security module, through PKCS#11 (OASIS, version 2.40 and 3.0).

They are made inside of the module and can't be read out of it; it signs. What is stored of such a
key outside is the identifier by which the module finds it.
"""

import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from kernel.hardware_root import log_in, translated
from kernel.key_pairs import RSA_BITS, PublicKey
from kernel.root_keys import RootKeyUnavailable
from kernel.secret import Secret, random_bytes

_ID_BYTES = 16
_NEVER_LEAVES = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_EDWARDS25519 = bytes.fromhex("130c656477617264733235353139")  # PKCS#11 3.0, 6.3.10: curveName
_SALT_BYTES = 32  # RFC 7518, 3.5: as long as the digest
_POINT_BYTES, _EDWARDS_POINT_BYTES = 65, 32
_DER_HEADER_BYTES = 2  # of an OCTET STRING shorter than 128 bytes

_NEEDED: dict[str, tuple[Mechanism, Mechanism]] = {
    "ES256": (Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA),
    "RS256": (Mechanism.RSA_PKCS_KEY_PAIR_GEN, Mechanism.SHA256_RSA_PKCS),
    "PS256": (Mechanism.RSA_PKCS_KEY_PAIR_GEN, Mechanism.SHA256_RSA_PKCS_PSS),
    "EdDSA": (Mechanism.EC_EDWARDS_KEY_PAIR_GEN, Mechanism.EDDSA),
}
"""How a key is made, and how it signs."""


@dataclass(frozen=True, slots=True)
class HardwareKey:
    """A private key that stays in the module."""

    module: "HardwareSigning"
    key_id: bytes
    alg: str

    def sign(self, payload: bytes) -> bytes:
        """Sign inside of the module, in the form of JOSE."""
        return self.module.sign(self.key_id, self.alg, payload)


class HardwareSigning:
    """What makes signing keys and signs with them.

    One session, used by one thread at a time: a process signs as fast as the module answers.
    """

    def __init__(self, session: pkcs11.Session) -> None:
        self._session = session
        self._one_at_a_time = threading.Lock()
        self._found: dict[bytes, Any] = {}  # Any: the stubs don't say that a private key signs
        offered = set(session.token.slot.get_mechanisms())
        self.algorithms = frozenset(alg for alg, needed in _NEEDED.items() if offered >= {*needed})
        """What the module can; keys of other algorithms are made outside and sealed."""

    @classmethod
    def open(cls, module: Path, token: str, pin: Secret[str]) -> "HardwareSigning":
        """Log in to the token.

        Raises:
            RootKeyUnavailable: No such module or token, or a wrong PIN; says which.
        """
        return cls(log_in(module, token, pin))

    def generate(self, alg: str) -> tuple[bytes, PublicKey]:
        """Make a key pair in the token; return what the key is found by, and the public key."""
        key_id = random_bytes(_ID_BYTES)
        how: dict[str, Any] = {
            "store": True,
            "id": key_id,
            "label": f"civitas-sign-{alg}",
            "mechanism": _NEEDED[alg][0],
            "private_template": _NEVER_LEAVES,
        }
        with self._one_at_a_time, translated("The token did not make a signing key"):
            match alg:
                case "ES256":
                    curve = encode_named_curve_parameters("secp256r1")
                    public, _ = self._on_curve(KeyType.EC, curve).generate_keypair(**how)
                case "EdDSA":
                    domain = self._on_curve(KeyType.EC_EDWARDS, _EDWARDS25519)
                    public, _ = domain.generate_keypair(**how)
                case _:
                    public, _ = self._session.generate_keypair(KeyType.RSA, RSA_BITS, **how)
            return key_id, _public_key(public, alg)

    def key(self, key_id: bytes, alg: str) -> HardwareKey:
        """Return the key that the token has under `key_id`.

        Raises:
            RootKeyUnavailable: It has none.
        """
        with self._one_at_a_time:
            self._find(key_id)
        return HardwareKey(self, key_id, alg)

    def sign(self, key_id: bytes, alg: str, payload: bytes) -> bytes:
        """Sign; see `HardwareKey.sign`.

        Raises:
            RootKeyUnavailable: The module does not answer, or does not have the key any more.
        """
        mechanism = _NEEDED[alg][1]
        parameters = (
            (Mechanism.SHA256, MGF.SHA256, _SALT_BYTES)
            if mechanism is Mechanism.SHA256_RSA_PKCS_PSS
            else None
        )
        signed = sha256(payload).digest() if mechanism is Mechanism.ECDSA else payload
        with self._one_at_a_time, translated("The token did not sign"):
            signature: bytes = self._find(key_id).sign(
                signed, mechanism=mechanism, mechanism_param=parameters
            )
        return signature

    def destroy(self, key_id: bytes) -> None:
        """Let the token forget a key; one that it does not have is forgotten already."""
        with self._one_at_a_time, translated("The token did not destroy a key"):
            self._found.pop(key_id, None)
            for thing in list(self._session.get_objects({Attribute.ID: key_id})):
                thing.destroy()

    def _on_curve(self, key_type: KeyType, parameters: bytes) -> Any:  # noqa: ANN401
        return self._session.create_domain_parameters(
            key_type, {Attribute.EC_PARAMS: parameters}, local=True
        )

    def _find(self, key_id: bytes) -> Any:  # noqa: ANN401
        key = self._found.get(key_id)
        if key is None:
            try:
                key = self._session.get_key(ObjectClass.PRIVATE_KEY, id=key_id)
            except NoSuchKey:
                raise RootKeyUnavailable(
                    "The token does not hold a signing key that the database names. Restore the "
                    "token, or check CIVITAS_PKCS11_TOKEN."
                ) from None
            except PKCS11Error as error:
                raise RootKeyUnavailable(f"The token failed: {type(error).__name__}.") from error
            self._found[key_id] = key
        return key


def _public_key(public: Any, alg: str) -> PublicKey:  # noqa: ANN401
    match alg:
        case "ES256":
            point = _point(public, _POINT_BYTES)
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        case "EdDSA":
            point = _point(public, _EDWARDS_POINT_BYTES)
            return ed25519.Ed25519PublicKey.from_public_bytes(point)
        case _:
            exponent = int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big")
            modulus = int.from_bytes(public[Attribute.MODULUS], "big")
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _point(public: Any, size: int) -> bytes:  # noqa: ANN401
    """Return the point, which most modules wrap into an OCTET STRING and some do not."""
    point: bytes = public[Attribute.EC_POINT]
    return point if len(point) == size else point[_DER_HEADER_BYTES:]
