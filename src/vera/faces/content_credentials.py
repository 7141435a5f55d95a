"""A signed record in a picture that says how it came about: a C2PA manifest (Content Credentials), by the user's own certificate.

The manifest says what the XMP mark says (:mod:`vera.faces.marking`), the same term and the same tool, and nothing of the source: no
thumbnail, no ingredient, no file name, no time. It holds the certificates, which name their owner, and random ids of its own.
It changes no pixel. Nothing is asked of the network: no time stamp, no list of revoked certificates.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vera.faces.marking import COMPOSITE_WITH_SYNTHETIC, TERMS, TOOL
from vera.files import printable
from vera.types import VeraError
from vera.untrusted import read_bytes

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PASSPHRASE = "VERA_C2PA_PASSPHRASE"
"""Variable of the environment that holds the passphrase of a protected key."""
LIMIT = 1 << 20
"""DECISION: bytes of a file of certificates or of a key; a chain of three has some six kilobytes."""
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
"""C2PA's algorithms by the curve of the key (specification 2.2, section 13.2)."""
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
}
OPTIONS = "--c2pa-certificate and --c2pa-key"


@dataclass(frozen=True)
class Credentials:
    """The files that pictures are signed with; the key itself is never kept in it, so that it can travel to other processes.

    Attributes:
        certificate: PEM file of the certificate, followed by those of its issuers.
        key: PEM file of the private key.
        fingerprint: SHA-256 of the certificate, in hexadecimal digits.

    """

    certificate: Path
    key: Path
    fingerprint: str

    def signer(self) -> ManifestSigner:
        """Read the files again, for signing.

        Raises:
            VeraError: they can't be used, or hold another certificate than before.

        """
        signer = ManifestSigner(self.certificate, self.key)
        if signer.fingerprint != self.fingerprint:
            raise VeraError(f"--c2pa-certificate {printable(str(self.certificate))} was changed during the call: make the call again")
        return signer


class ManifestSigner:
    """Puts signed manifests into PNG files.

    Args:
        certificate: PEM file of the certificate, followed by those of its issuers, without the root's.
        key: PEM file of the certificate's private key; a passphrase is taken from the environment (:data:`PASSPHRASE`).

    Raises:
        VeraError: the extra is missing, a file can't be read, the key is not the certificate's, the certificate is not valid now, or
            is none that C2PA takes. A picture of one pixel is signed to find this out.

    """

    def __init__(self, certificate: Path, key: Path) -> None:
        if find_spec("c2pa") is None:
            raise VeraError(f"{OPTIONS} need c2pa-python, which is not installed: run `pip install 'vera-anonymization[c2pa]'`")
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        self._shown = printable(str(certificate))
        chain = _read_chain(certificate)
        private = _read_key(key)
        public = [part.public_key().public_bytes(Encoding.DER, _subject_info()) for part in (private, chain[0])]
        if public[0] != public[1]:
            raise VeraError(
                f"the key --c2pa-key {printable(str(key))} is not the one of the first certificate in --c2pa-certificate {self._shown}: "
                "give the two that belong together"
            )
        _require_valid_now(chain, self._shown)
        self.fingerprint = chain[0].fingerprint(hashes.SHA256()).hex()
        self._algorithm = _algorithm(private, printable(str(key)))
        self._chain = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
        self._key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.sign(_one_pixel(), COMPOSITE_WITH_SYNTHETIC)

    def sign(self, png: bytes, source_type: str) -> bytes:
        """A PNG file with a signed manifest.

        Args:
            png: the whole file, without a manifest.
            source_type: one of :data:`vera.faces.marking.TERMS`, as the XMP of the file says.

        Raises:
            VeraError: c2pa does not sign with this certificate, for example since it has expired by now.

        """
        import c2pa

        if source_type not in TERMS:
            raise ValueError(f"no renderer makes a '{source_type}'")
        signed = io.BytesIO()
        try:
            with (
                c2pa.Signer.from_info(c2pa.C2paSignerInfo(self._algorithm, self._chain, self._key, None)) as signer,
                c2pa.Context(c2pa.Settings.from_dict(SETTINGS)) as context,
                c2pa.Builder(_definition(source_type), context) as builder,
            ):
                builder.sign(signer, "image/png", io.BytesIO(png), signed)
        except c2pa.C2paError as error:
            reason = printable(" ".join(str(error).split()))
            raise VeraError(
                f"c2pa does not sign with --c2pa-certificate {self._shown} ({reason}): give a certificate for signing documents or "
                "e-mail that an authority issued, followed by its issuers', as C2PA's certificate profile wants it"
            ) from error
        return signed.getvalue()


def check_credentials(certificate: Path | None, key: Path | None, *, mark: bool) -> Credentials | None:
    """Check the files that pictures are to be signed with, before any work.

    Args:
        certificate: PEM file of the certificate and its issuers; None with no key signs nothing.
        key: PEM file of the private key.
        mark: whether pictures are marked by XMP.

    Raises:
        VeraError: one of the two is missing, pictures are not to be marked, or what :class:`ManifestSigner` raises.

    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise VeraError(f"{OPTIONS} belong together: give both, or none")
    if not mark:
        raise VeraError("--no-mark leaves out how a picture came about, and --c2pa-certificate signs it: leave one of the two out")
    return Credentials(certificate, key, ManifestSigner(certificate, key).fingerprint)


def _definition(source_type: str) -> dict[str, Any]:
    """The manifest's statement: the picture was made by this tool in this way.

    ``c2pa.created``, since the other first action, ``c2pa.opened``, must name the source and its digest, which would link the picture to
    the patient's photograph.
    """
    action = {"action": "c2pa.created", "digitalSourceType": source_type}
    assertion = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [action]}}
    return {"claim_generator_info": [{"name": TOOL}], "format": "image/png", "assertions": [assertion]}


def _read_chain(path: Path) -> list[Certificate]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    content = read_bytes(path, limit=LIMIT, what=f"--c2pa-certificate {printable(str(path))}")
    try:
        chain = load_pem_x509_certificates(content)
        for one in chain:  # keys and dates of a damaged certificate are only read, and refused, when they are asked for
            one.public_key(), one.not_valid_before_utc, one.not_valid_after_utc
        return chain
    except (ValueError, UnsupportedAlgorithm, InvalidVersion) as error:
        raise VeraError(f"--c2pa-certificate {printable(str(path))} holds no certificate in PEM form: give a file of them") from error


def _read_key(path: Path) -> Any:
    """The private key; no message repeats anything of the file."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    shown = f"--c2pa-key {printable(str(path))}"
    content = read_bytes(path, limit=LIMIT, what=shown)
    try:
        return load_pem_private_key(content, None)
    except TypeError:  # as cryptography says that it is protected
        phrase = os.fsencode(os.environ.get(PASSPHRASE, ""))  # any bytes
    except (ValueError, UnsupportedAlgorithm):
        raise VeraError(f"{shown} holds no private key in PEM form: give a file that holds one") from None
    if not phrase:
        raise VeraError(f"{shown} is protected by a passphrase: set the variable {PASSPHRASE} to it, or give a key without one")
    try:
        return load_pem_private_key(content, phrase)
    except (ValueError, UnsupportedAlgorithm):
        raise VeraError(f"{shown} is not opened by the passphrase in {PASSPHRASE}: set the right one") from None


def _algorithm(key: Any, shown: str) -> str:
    """C2PA's name of the algorithm that fits a key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise VeraError(f"--c2pa-key {shown} is of a kind that C2PA does not know: give one of P-256, P-384, P-521, RSA or Ed25519")


def _require_valid_now(chain: list[Certificate], shown: str) -> None:
    now = datetime.now(UTC)
    for number, one in enumerate(chain, 1):
        which = f"--c2pa-certificate {shown}" if number == 1 else f"certificate {number} in --c2pa-certificate {shown}"
        if now > one.not_valid_after_utc:
            raise VeraError(f"{which} expired on {one.not_valid_after_utc:%Y-%m-%d}: give one that is valid now")
        if now < one.not_valid_before_utc:
            raise VeraError(f"{which} is valid only from {one.not_valid_before_utc:%Y-%m-%d} on: give one that is valid now")


def _subject_info() -> Any:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return PublicFormat.SubjectPublicKeyInfo


def _one_pixel() -> bytes:
    from vera.faces.photograph import encoded_png

    return encoded_png(np.zeros((1, 1, 3), dtype=np.uint8))
