"""Certificates of a clinic that does not exist, for C2PA's manifests; each call makes new keys, and nothing is stored."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLINIC = "Example Clinic"


@dataclass(frozen=True)
class Issued:
    """Files of a certificate with its issuer's, and of its key, and the issuer's certificate as text."""

    certificate: Path
    key: Path
    root: str

    @property
    def options(self):
        return ["--c2pa-certificate", self.certificate, "--c2pa-key", self.key]


def issue(folder, *, key=None, days=(-1, 30), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION, passphrase=None):
    """A certificate by an authority of its own, valid from and until so many days from now."""
    key, authority = key or ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _signed(authority, authority, "Test Authority", (-100, 100), x509.BasicConstraints(True, None))
    leaf = _signed(key, authority, "Photography", days, x509.BasicConstraints(False, None), x509.ExtendedKeyUsage([usage]))
    files = Issued(folder / "clinic.pem", folder / "clinic.key", root.public_bytes(Encoding.PEM).decode())
    files.certificate.write_bytes(leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    return files


def _signed(key, authority, name, days, constraints, *more):
    """A certificate of a key; the authority's own where both are the same."""

    def known_as(common):
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, CLINIC), x509.NameAttribute(NameOID.COMMON_NAME, common)])

    now = datetime.datetime.now(datetime.UTC)
    begin, end = (now + datetime.timedelta(days=number) for number in days)
    made = x509.CertificateBuilder(known_as("Test Authority"), known_as(name), key.public_key(), x509.random_serial_number(), begin, end)
    signs = constraints.ca
    may = x509.KeyUsage(True, False, False, False, False, signs, signs, False, False)
    for extension, critical in (
        (constraints, True),
        (may, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
        *((one, False) for one in more),
    ):
        made = made.add_extension(extension, critical)
    return made.sign(authority, hashes.SHA256())
