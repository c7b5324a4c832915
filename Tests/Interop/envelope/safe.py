"""FORMAT-KEYS.md section 5: the password safe."""

import hashlib

from .keystore import row_mac
from .primitives import GCM_NONCE, GCM_TAG, gcm_open, hmac_sha256, require, same, u32
from .wrapped import hkdf_sha512

NODES, BUCKETS = 64, 4096
SECRET = ["secret_id", "created_at", "changed_at", "deletes_at", "current_version", "previous_version", "last_version", "versions_digest",
          "metadata_nonce", "sealed_metadata"]
VERSION = ["secret_id", "version", "created_at", "key_id", "wrapped_key", "sealed_value"]


def split(sealed):
    require(len(sealed) >= GCM_TAG, "something sealed is shorter than a tag")
    return sealed[:-GCM_TAG], sealed[-GCM_TAG:]


def unpadded(plain):
    """What stands behind its size, without the zeros up to a multiple of 64."""
    size = u32(plain)
    require(len(plain) % 64 == 0 and 4 + size <= len(plain) < 4 + size + 64 and not any(plain[4 + size:]), "padding")
    return plain[4:4 + size]


def texts(plain):
    """Name, account, description, tags."""
    at = 0

    def number():
        nonlocal at
        require(at + 4 <= len(plain), "metadata that ends early")
        at += 4
        return u32(plain, at - 4)

    def text():
        nonlocal at
        size = number()
        require(at + size <= len(plain), "metadata that ends early")
        at += size
        return plain[at - size:at].decode()

    name, account, description = text(), text(), text()
    tags = [(text(), text()) for _ in range(number())]
    require(at == len(plain) and [tag for tag, _ in tags] == sorted({tag for tag, _ in tags}, key=str.encode), "metadata")
    return name, account, description, dict(tags)


class Safe:
    """The safe of an opened keystore: `secrets` by name, all of it authenticated."""

    def __init__(self, keystore):
        self.keystore = keystore
        self.secrets = {}
        rows = keystore.rows["safe"]
        if not rows:
            require(not keystore.rows["secret"] and not keystore.rows["secret_version"] and not keystore.rows["safe_node"], "secrets without a safe")
            return
        (_, nonce, sealed, self.count, self.digests), = rows
        key = gcm_open(keystore.sealing_key, nonce, *split(sealed), b"EnvelopeFS safe key 1", "the safe's key")
        self.index_key, self.row_key, self.metadata_key = (hkdf_sha512(key, b"", b"EnvelopeFS safe " + label, 32)
                                                           for label in (b"index 1", b"rows 1", b"metadata 1"))
        versions = self._versions()
        buckets = {}
        for *columns, mac in sorted(keystore.rows["secret"]):
            row = dict(zip(SECRET, columns))
            secret_id = row["secret_id"]
            require(same(row_mac(self.row_key, "secret/" + secret_id.hex(), columns), mac), f"secret {secret_id.hex()} was changed")
            own = versions.pop(secret_id, [])
            joined = b"".join(version["version"].to_bytes(4, "little") + version["mac"] for version in own)
            require(hashlib.sha256(joined).digest() == row["versions_digest"], f"versions of secret {secret_id.hex()} are missing")
            buckets[int.from_bytes(secret_id[:2], "big") >> 4] = buckets.get(int.from_bytes(secret_id[:2], "big") >> 4, b"") + secret_id + mac
            self._add(row, own)
        require(not versions and self.count == len(self.secrets), "secrets were added or are missing")
        self._check_tree(buckets)

    def value(self, name, version=None):
        """The value of a secret, the current one unless a version is named."""
        row, versions = self.secrets[name][-2:]
        found, = (v for v in versions if v["version"] == (version or row["current_version"]))
        context = [["purpose", "secret"], ["name", name], ["version", str(found["version"])]]
        key = self.keystore.unwrap(found["wrapped_key"], context)
        require(found["wrapped_key"][2:18] == found["key_id"], "a value under another key than its row says")
        associated = b"EnvelopeFS secret value 1" + row["secret_id"] + found["version"].to_bytes(4, "little")
        return unpadded(gcm_open(key, bytes(GCM_NONCE), *split(found["sealed_value"]), associated, f"the value of {name}"))

    def _versions(self):
        versions = {}
        for *columns, mac in sorted(self.keystore.rows["secret_version"]):
            row = dict(zip(VERSION, columns), mac=mac)
            name = f"secret_version/{row['secret_id'].hex()}/{row['version']}"
            require(same(row_mac(self.row_key, name, columns), mac), f"{name} was changed")
            versions.setdefault(row["secret_id"], []).append(row)
        return versions

    def _add(self, row, versions):
        secret_id = row["secret_id"]
        plain = unpadded(gcm_open(self.metadata_key, row["metadata_nonce"], *split(row["sealed_metadata"]), b"EnvelopeFS safe metadata 1" + secret_id, "metadata"))
        name, *rest = texts(plain)
        require(hmac_sha256(self.index_key, name.encode())[:16] == secret_id, "a secret under another name")
        self.secrets[name] = (*rest, row, versions)

    def _check_tree(self, buckets):
        digests = [hashlib.sha256(buckets[b]).digest() if b in buckets else bytes(32) for b in range(BUCKETS)]
        expected = {n: b"".join(digests[64 * n:64 * n + 64]) for n in range(NODES)}
        stored = dict(self.keystore.rows["safe_node"])
        require(all(stored.get(n, bytes(2048)) == node for n, node in expected.items()), "a node of the safe is not that of its secrets")
        root = b"".join(hashlib.sha256(node).digest() if any(node) else bytes(32) for node in expected.values())
        require(root == self.digests, "the safe's digests are not those of its nodes")
