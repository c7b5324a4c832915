"""FORMAT.md section 1: integers, hex, base64url, AES-256-GCM, AES-256-SIV, HKDF, HMAC; and what is thrown when something must be refused."""

import base64
import hmac
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BASE64URL = re.compile(rb"[A-Za-z0-9_-]*\Z")
LOWER_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")
GCM_NONCE = 12
GCM_TAG = 16
SIV_IV = 16


class Refused(Exception):
    """Something that the format says must be refused; the text says what and why."""


class Unfinished(Refused):
    """What a power cut may leave of bytes that were never synced (sections 5 and 5.2)."""


class Foreign(Exception):
    """A name that is none of ours: not shown, and reported (section 4)."""


def require(condition, why):
    """Refuse unless the condition holds."""
    if not condition:
        raise Refused(why)


def u16(data, at=0):
    return int.from_bytes(data[at:at + 2], "little")


def u32(data, at=0):
    return int.from_bytes(data[at:at + 4], "little")


def u64(data, at=0):
    return int.from_bytes(data[at:at + 8], "little")


def from_hex(text, length=None):
    """Lowercase hex, two digits a byte."""
    require(isinstance(text, str) and LOWER_HEX.match(text), "not lowercase hex")
    data = bytes.fromhex(text)
    require(length is None or len(data) == length, f"hex of {len(data)} bytes instead of {length}")
    return data


def base64url(data):
    """RFC 4648 section 5 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def from_base64url(text):
    """Strict: no other character, no length of 4n+1, no unused bit that is not zero."""
    require(BASE64URL.match(text), "not base64url: foreign characters")
    require(len(text) % 4 != 1, "not base64url: a length of 4n+1")
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    require(base64url(data) == text, "not base64url: unused bits are not zero")
    return data


def gcm_open(key, nonce, sealed, tag, associated, what="AES-GCM"):
    """The plain bytes, or refused."""
    try:
        return AESGCM(key).decrypt(nonce, sealed + tag, associated)
    except InvalidTag:
        raise Refused(f"{what} does not open") from None


def gcm_seal(key, nonce, plain, associated):
    """Sealed bytes and tag; only the vectors need it."""
    out = AESGCM(key).encrypt(nonce, plain, associated)
    return out[:-GCM_TAG], out[-GCM_TAG:]


def siv_open(key, sealed, associated, what="AES-SIV"):
    """RFC 5297 with a 64-byte key and one string of associated data; IV first."""
    require(len(sealed) > SIV_IV, f"{what} is too short")
    try:
        return AESSIV(key).decrypt(sealed, [associated])
    except InvalidTag:
        raise Refused(f"{what} does not open") from None


def siv_seal(key, plain, associated):
    """The synthetic IV, then the ciphertext."""
    return AESSIV(key).encrypt(plain, [associated])


def hkdf(key, info, length):
    """RFC 5869, SHA-256, empty salt."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=b"", info=info).derive(key)


def hmac_sha256(key, data):
    return hmac.new(key, data, "sha256").digest()


def same(left, right):
    """Compares in constant time."""
    return hmac.compare_digest(left, right)
