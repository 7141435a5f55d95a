"""Manifests are read by c2pa's own reader, which trusts the test's authority."""

import base64
import io

import c2pa
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image
from tests.reference.certificates import CLINIC, issue

from vera.faces.content_credentials import PASSPHRASE, Credentials, ManifestSigner, check_credentials
from vera.faces.image_file import decode
from vera.faces.marking import TERMS, packet
from vera.faces.photograph import encoded_png
from vera.types import VeraError

EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
"""ASN.1's number of the kind of key, as it stands in a certificate."""
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def read(png, root):
    """C2PA's reader, which trusts one authority."""
    context = c2pa.Context(c2pa.Settings.from_dict({"trust": {"trust_anchors": root}, "verify": {"verify_trust": True}}))
    return c2pa.Reader("image/png", io.BytesIO(png), context=context)


@pytest.mark.parametrize("kind", KEYS)
def test_a_signed_picture_is_trusted_by_who_trusts_the_authority(tmp_path, kind):
    issued = issue(tmp_path, key=KEYS[kind]())
    signed = ManifestSigner(issued.certificate, issued.key).sign(encoded_png(PIXELS), TERMS[0])
    assert read(signed, issued.root).get_validation_state() == "Trusted"


@pytest.mark.parametrize("term", TERMS)
def test_the_manifest_says_what_the_xmp_says_and_nothing_else(tmp_path, term):
    issued, png = issue(tmp_path), encoded_png(PIXELS, xmp=packet(term))
    signed = ManifestSigner(issued.certificate, issued.key).sign(png, term)
    manifest = read(signed, issued.root).get_active_manifest()
    (assertion,) = manifest["assertions"]
    assert assertion["data"] == {"actions": [{"action": "c2pa.created", "digitalSourceType": term}]}
    assert f'DigitalSourceType="{term}"' in Image.open(io.BytesIO(signed)).info["xmp"].decode()
    assert [made["name"] for made in manifest["claim_generator_info"]] == ["VerA"]
    assert manifest["signature_info"]["issuer"] == CLINIC
    assert not {"ingredients", "thumbnail", "title"} & manifest.keys()
    assert "time" not in manifest["signature_info"]


def test_pixels_and_all_other_chunks_stay(tmp_path):
    issued, png = issue(tmp_path), encoded_png(PIXELS, xmp=packet(TERMS[0]))
    signed = ManifestSigner(issued.certificate, issued.key).sign(png, TERMS[0])
    assert np.array_equal(decode(signed, "a").pixels, PIXELS)
    start = signed.index(b"caBX") - 4
    length = int.from_bytes(signed[start : start + 4], "big") + 12
    assert signed[:start] + signed[start + length :] == png


def test_a_changed_picture_is_no_longer_valid(tmp_path):
    issued = issue(tmp_path)
    signed = ManifestSigner(issued.certificate, issued.key).sign(encoded_png(PIXELS), TERMS[0])
    changed = encoded_png(255 - PIXELS)
    start = signed.index(b"caBX") - 4
    chunk = signed[start : start + 12 + int.from_bytes(signed[start : start + 4], "big")]
    told = read(changed[:start] + chunk + changed[start:], issued.root)
    assert told.get_validation_state() == "Invalid"
    assert "assertion.dataHash.mismatch" in [fault["code"] for fault in told.get_validation_results()["activeManifest"]["failure"]]


def test_a_protected_key_is_opened_by_the_environments_passphrase(tmp_path, monkeypatch):
    issued = issue(tmp_path, passphrase=b"let me in")
    protected = f"is protected by a passphrase: set the variable {PASSPHRASE}"
    for phrase, says in ((None, protected), ("open", "is not opened by the passphrase")):
        monkeypatch.setenv(PASSPHRASE, phrase) if phrase else monkeypatch.delenv(PASSPHRASE, raising=False)
        with pytest.raises(VeraError, match=says):
            ManifestSigner(issued.certificate, issued.key)
    monkeypatch.setenv(PASSPHRASE, "let me in")
    ManifestSigner(issued.certificate, issued.key)


def swapped(folder):
    (folder / "other").mkdir()
    mine, other = issue(folder), issue(folder / "other")
    return mine.certificate, other.key


def garbled(which):
    def make(folder):
        issued = issue(folder)
        getattr(issued, which).write_bytes(b"-----BEGIN NOTHING-----\nsecret\n")
        return issued.certificate, issued.key

    return make


def issued_with(**choices):
    def make(folder):
        issued = issue(folder, **{name: value() if name == "key" else value for name, value in choices.items()})
        return issued.certificate, issued.key

    return make


def damaged(at, value):
    """A certificate in which the last byte of ``at`` is set to ``value``."""

    def make(folder):
        issued = issue(folder)
        first, *_ = load_pem_x509_certificates(issued.certificate.read_bytes())
        der = bytearray(first.public_bytes(Encoding.DER))
        der[der.index(at) + len(at) - 1] = value
        lines = base64.encodebytes(der).decode()
        issued.certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
        return issued.certificate, issued.key

    return make


def of_the_authority(folder):
    issued = issue(folder)
    issued.certificate.write_text(issued.root)
    return issued.certificate, issued.key


BAD = {
    "another key": (swapped, "is not the one of the first certificate"),
    "expired": (issued_with(days=(-20, -3)), "expired on 20"),
    "not yet valid": (issued_with(days=(3, 20)), "is valid only from 20"),
    "no certificate": (garbled("certificate"), "holds no certificate in PEM form"),
    "a version that is none": (damaged(b"\xa0\x03\x02\x01\x02", 31), "holds no certificate in PEM form"),
    "a kind of key that is none": (damaged(EC_PUBLIC_KEY, 9), "holds no certificate in PEM form"),
    "no key": (garbled("key"), "holds no private key in PEM form"),
    "the authority's": (of_the_authority, "is not the one of the first certificate"),
    "for servers": (issued_with(usage=ExtendedKeyUsageOID.SERVER_AUTH), "give a certificate for signing documents or e-mail"),
    "a short RSA key": (issued_with(key=lambda: rsa.generate_private_key(65537, 1024)), "give a certificate for signing documents"),
    "a curve of Bitcoin": (issued_with(key=lambda: ec.generate_private_key(ec.SECP256K1())), "is of a kind that C2PA does not know"),
    "no file": (lambda folder: (folder / "nowhere.pem", folder / "nowhere.key"), "is missing, or is no regular file"),
    "a folder": (lambda folder: (folder, folder), "is missing, or is no regular file"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_sign_is_one_sentence_that_says_nothing_of_the_key(tmp_path, case):
    make, says = BAD[case]
    certificate, key = make(tmp_path)
    with pytest.raises(VeraError, match=says) as refused:
        check_credentials(certificate, key, mark=True)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_credentials_hold_no_key_and_notice_a_changed_certificate(tmp_path):
    issued = issue(tmp_path)
    credentials = check_credentials(issued.certificate, issued.key, mark=True)
    assert isinstance(credentials, Credentials)
    body = "".join(issued.key.read_text().splitlines()[1:-1])
    assert body[20:60] not in repr(credentials)
    assert credentials.signer().fingerprint == credentials.fingerprint
    issue(tmp_path)
    with pytest.raises(VeraError, match="was changed during the call"):
        credentials.signer()


def test_both_files_or_none_and_only_with_the_mark(tmp_path):
    issued = issue(tmp_path)
    assert check_credentials(None, None, mark=False) is None
    for given in ((issued.certificate, None), (None, issued.key)):
        with pytest.raises(VeraError, match="belong together: give both, or none"):
            check_credentials(*given, mark=True)
    with pytest.raises(VeraError, match="leave one of the two out"):
        check_credentials(issued.certificate, issued.key, mark=False)


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    issued = issue(tmp_path)
    monkeypatch.setattr("vera.faces.content_credentials.find_spec", lambda name: None)
    with pytest.raises(VeraError, match=r"pip install 'vera-anonymization\[c2pa\]'"):
        check_credentials(issued.certificate, issued.key, mark=True)
