"""FORMAT-KEYS.md section 1: the wrapped key and its encryption context."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .primitives import GCM_TAG, gcm_open, gcm_seal, require, same, u32

PREFIX = 86
PLAIN_MAX = 4096
CONTEXT_MAX = 8192
NONCE = bytes(12)


def hkdf_sha512(key, salt, info, length):
    """RFC 5869 with SHA-512; an empty salt is 64 zero bytes."""
    return HKDF(algorithm=hashes.SHA512(), length=length, salt=salt, info=info).derive(key)


def sized(data):
    return len(data).to_bytes(4, "little") + data


def context_bytes(context):
    """The canonical form of pairs of text."""
    pairs = [(name.encode(), value.encode()) for name, value in (context.items() if isinstance(context, dict) else context)]
    require(len({name for name, _ in pairs}) == len(pairs) and all(name for name, _ in pairs), "a context's name is empty or stands twice")
    out = len(pairs).to_bytes(4, "little") + b"".join(sized(name) + sized(value) for name, value in sorted(pairs))
    require(len(out) <= CONTEXT_MAX, "the context is too long")
    return out


class WrappedKey:
    """What a blob says without a key."""

    def __init__(self, blob):
        require(PREFIX + 1 + GCM_TAG <= len(blob) <= PREFIX + PLAIN_MAX + GCM_TAG, f"a wrapped key of {len(blob)} bytes")
        require(blob[0] == 1, f"a wrapped key of format {blob[0]}; this program knows 1")
        require(blob[1] == 1, f"a wrapped key of algorithm {blob[1]}; this program knows 1")
        self.key_id = blob[2:18]
        self.version = u32(blob, 18)
        require(self.version >= 1, "a wrapped key of key version 0")
        self.salt = blob[22:54]
        self.commitment = blob[54:86]
        self.prefix = blob[:PREFIX]
        self.sealed = blob[PREFIX:]

    def open(self, material, context):
        """The plain key, with the material of the key version that the blob names."""
        derived = self._derive(material)
        require(same(derived[32:], self.commitment), "the wrapped key was not made by this key")
        return gcm_open(derived[:32], NONCE, self.sealed[:-GCM_TAG], self.sealed[-GCM_TAG:],
                        self.prefix + context_bytes(context), "the wrapped key (or its context is another)")

    def _derive(self, material):
        info = b"EnvelopeFS wrapped key 1" + self.key_id + self.version.to_bytes(4, "little")
        return hkdf_sha512(material, self.salt, info, 64)


def wrap(material, key_id, version, salt, context, plain):
    """Only the vectors need it."""
    info = b"EnvelopeFS wrapped key 1" + key_id + version.to_bytes(4, "little")
    derived = hkdf_sha512(material, salt, info, 64)
    prefix = b"\1\1" + key_id + version.to_bytes(4, "little") + salt + derived[32:]
    return prefix + b"".join(gcm_seal(derived[:32], NONCE, plain, prefix + context_bytes(context)))
