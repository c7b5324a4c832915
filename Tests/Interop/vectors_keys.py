"""The vectors of FORMAT-KEYS.md, for test_vectors.py: wrapped keys, a blob of two keys, the worked example, a password safe, a whole keystore."""

import json
import os
import uuid

from envelope import recovery
from envelope.keystore import Keystore, open_material, row_mac, row_name, scrypt, slot_keys
from envelope.primitives import AESGCM, Refused, gcm_seal
from envelope.safe import Safe
from envelope.wrapped import NONCE, WrappedKey, context_bytes, hkdf_sha512, wrap

unhex = bytes.fromhex


def equal(ours, theirs, what):
    if ours != theirs:
        raise AssertionError(f"{what}:\n  ours:   {ours!r:.400}\n  theirs: {theirs!r:.400}")


def refuses(what, action):
    try:
        action()
    except Refused:
        return
    raise AssertionError(f"not refused: {what}")


class SafeOpener:
    """What Safe asks of a keystore, whose own rows are those of another vector."""

    def __init__(self, vector, rows):
        self.rows = rows
        self.sealing_key = hkdf_sha512(unhex(vector["rootKey"]), b"", b"EnvelopeFS key sealing 1", 32)
        self.material = unhex(vector["material"])

    def unwrap(self, blob, context):
        return WrappedKey(blob).open(self.material, context)


class Keys:
    """Groups of the files in KeyManagementTests/Vectors; every method answers how many answers it compared."""

    GROUPS = ["wrappedKeys", "twoKeys", "keystore", "safe", "golden"]

    def __init__(self, directory):
        self.directory = directory

    def load(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            return json.load(file)

    def wrappedKeys(self):
        count = 0
        for x in self.load("wrapped-keys.json"):
            material, context, blob = unhex(x["material"]), x["context"], unhex(x["wrapped"])
            key_id = uuid.UUID(x["keyID"]).bytes
            wrapped = WrappedKey(blob)
            equal((wrapped.key_id, wrapped.version, wrapped.salt), (key_id, x["version"], unhex(x["salt"])), x["comment"])
            equal(wrapped.open(material, context), unhex(x["plaintext"]), x["comment"])
            equal(wrap(material, key_id, x["version"], unhex(x["salt"]), context, unhex(x["plaintext"])), blob, x["comment"])
            refuses("another context", lambda: wrapped.open(material, context + [["x", "y"]]))
            refuses("another key", lambda: wrapped.open(bytes(32), context))
            for at in range(0, len(blob), 7):
                bad = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1:]
                refuses(f"{x['comment']}, byte {at}", lambda: WrappedKey(bad).open(material, context))
                count += 1
            count += 4
        return count

    def twoKeys(self):
        """The blob opens under both keys if only GCM is asked, and under one at most with the commitment."""
        x = self.load("two-keys.json")
        blob = unhex(x["wrapped"])
        wrapped = WrappedKey(blob)
        opened = 0
        for material, plain in zip(map(unhex, x["materials"]), map(unhex, x["plaintexts"])):
            info = b"EnvelopeFS wrapped key 1" + wrapped.key_id + wrapped.version.to_bytes(4, "little")
            key = hkdf_sha512(material, wrapped.salt, info, 64)[:32]
            equal(AESGCM(key).decrypt(NONCE, wrapped.sealed, wrapped.prefix + context_bytes({})), plain, "by GCM alone")
            try:
                equal(wrapped.open(material, {}), plain, "with the commitment")
                opened += 1
            except Refused:
                pass
        equal(opened <= 1, True, "one key at most")
        return 3

    def keystore(self):
        x = self.load("keystore.json")
        root, salt = unhex(x["rootKey"]), unhex(x["salt"])
        code = unhex(x["recovery"])
        equal(recovery.write(code), x["recoveryText"], "recovery code")
        equal(recovery.read(x["recoveryText"].lower().replace("-", " ").replace("0", "o").replace("1", "l")), code, "as typed")
        at = x["recoveryText"].index("R")
        refuses("a wrong digit", lambda: recovery.read(x["recoveryText"][:at] + "S" + x["recoveryText"][at + 1:]))
        swapped = "-".join([*x["recoveryText"].split("-")[1::-1], *x["recoveryText"].split("-")[2:]])
        refuses("two groups swapped", lambda: recovery.read(swapped))
        secrets = {"passphrase": scrypt(x["passphrase"].encode(), salt, *x["scrypt"]), "recovery": code}
        for kind, secret in secrets.items():
            key, commitment = slot_keys(secret, salt, kind)
            equal(commitment, unhex(x[kind + "Commitment"]), kind)
            label = b"EnvelopeFS unlock slot 1" + kind.encode()
            equal(b"".join(gcm_seal(key, NONCE, root, label)), unhex(x[kind + "SealedRootKey"]), kind)
        sealing = hkdf_sha512(root, b"", b"EnvelopeFS key sealing 1", 32)
        rows = hkdf_sha512(root, b"", b"EnvelopeFS row authentication 1", 32)
        equal((sealing.hex(), rows.hex()), (x["sealingKey"], x["rowKey"]), "keys below the root key")
        key_id, nonce, sealed = uuid.UUID(x["keyID"]).bytes, unhex(x["nonce"]), unhex(x["sealedMaterial"])
        equal(open_material(sealing, key_id, x["version"], nonce, sealed), unhex(x["material"]), "material")
        row = [key_id, x["version"], x["createdAt"], nonce, sealed]
        equal(row_name("cmk_version", row[:2]), x["rowName"], "row name")
        equal(row_mac(rows, x["rowName"], row), unhex(x["rowMAC"]), "row MAC")
        return 13

    def safe(self):
        x = self.load("safe.json")
        tables = ("safe", "secret", "secret_version", "safe_node")
        rows = {table: [[unhex(column) if isinstance(column, str) else column for column in row] for row in x[table]] for table in tables}
        opener = SafeOpener(x, rows)
        opened = Safe(opener)
        equal((opened.index_key.hex(), opened.row_key.hex(), opened.metadata_key.hex()), (x["indexKey"], x["rowKey"], x["metadataKey"]), "keys of the safe")
        equal({name: secret[:3] for name, secret in opened.secrets.items()},
              {known["name"]: (known["account"], known["description"], known["tags"]) for known in x["known"]}, "secrets")
        for told in x["values"]:
            equal(opened.value(told["name"], told["version"]), unhex(told["value"]), told["name"])
        count = 3 + len(x["known"]) + len(x["values"])
        for table in tables:
            for row in rows[table]:
                for at, column in enumerate(row):
                    if table in ("safe", "safe_node") and at == 0:
                        continue
                    row[at] = column[:-1] + bytes([column[-1] ^ 1]) if isinstance(column, bytes) else (column or 0) + 1
                    refuses(f"{table}, column {at}", lambda: Safe(opener))
                    row[at] = column
                    count += 1
        Safe(opener)
        return count

    def golden(self):
        x = self.load("keystore-v1.json")
        path = os.path.join(self.directory, "keystore-v1.db")
        opened = [Keystore(path, passphrase=x["passphrase"].encode()), Keystore(path, recovery_code=x["recoveryCode"])]
        for keystore in opened:
            equal((keystore.generation, keystore.identity.hex()), (x["generation"], x["keystoreID"]), "keystore")
            for blob, plain in zip(x["wrapped"], x["plaintexts"]):
                equal(keystore.unwrap(unhex(blob), x["context"]), unhex(plain), "wrapped by the golden keystore")
        refuses("another passphrase", lambda: Keystore(path, passphrase=b"another"))
        return 7
