"""FORMAT-KEYS.md section 2: the keystore, a database of sealed keys."""

import hashlib
import os
import shutil
import sqlite3
import tempfile
import uuid

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from . import recovery
from .primitives import GCM_TAG, gcm_open, hmac_sha256, require, same
from .wrapped import NONCE, WrappedKey, hkdf_sha512, sized

APPLICATION_ID = 0x4546534B
SLOT_LABEL = b"EnvelopeFS unlock slot 1"
STATES = {"Enabled", "Disabled", "DecryptOnly", "PendingImport", "PendingDeletion", "Destroyed"}
# table: (how many columns are its primary key, columns in the order in which they are authenticated)
TABLES = {
    "unlock_slot": (1, ["slot", "kind", "created_at", "scrypt_log_n", "scrypt_r", "scrypt_p", "salt", "commitment", "sealed_root_key"]),
    "cmk": (1, ["key_id", "state", "description", "created_at", "state_changed_at", "current_version"]),
    "cmk_version": (2, ["key_id", "version", "created_at", "nonce", "sealed_material"]),
    "alias": (1, ["name", "key_id", "created_at"]),
    "tag": (2, ["key_id", "name", "value"]),
    "cmk_settings": (1, ["key_id", "origin", "rotation_days", "rotate_at", "minimum_version", "is_protected", "delete_at",
                         "material_expires_at", "material_check"]),
    "cmk_rotation": (2, ["key_id", "version", "kind"]),
    "import_parameters": (1, ["key_id", "token", "created_at", "expires_at", "nonce", "sealed_private_key"]),
    "clock": (1, ["id", "seen_at"]),
    "audit_start": (1, ["id", "nonce", "sealed_key"]),
    "audit_mark": (1, ["id", "count", "mac"]),
    "safe": (1, ["id", "key_nonce", "sealed_key", "secret_count", "digests"]),
}
# The tables that each version of the keystore adds, and indices.
VERSIONS = [
    ["unlock_slot", "cmk", "cmk_version", "alias", "tag", "row_mac", "keystore"],
    ["cmk_settings", "cmk_rotation", "import_parameters", "clock"],
    ["audit_start", "audit_mark", "audit_entry", "audit_head"],
    ["safe", "safe_node", "secret", "secret_version", "index secret_by_deletion"],
]
# The audit log protects itself; see `check_audit`.
AUDIT = {
    "audit_entry": ["number", "time", "operation", "key_id", "version", "subject", "result", "count", "user_id", "process_id", "program", "reason", "mac"],
    "audit_head": ["id", "count", "mac", "nonce", "sealed_key"],
}
# So do the secrets of the password safe; see `safe.Safe`.
SAFE = {
    "safe_node": ["number", "digests"],
    "secret": ["secret_id", "created_at", "changed_at", "deletes_at", "current_version", "previous_version", "last_version", "versions_digest",
               "metadata_nonce", "sealed_metadata", "mac"],
    "secret_version": ["secret_id", "version", "created_at", "key_id", "wrapped_key", "sealed_value", "mac"],
}
KEYSTORE = ["id", "schema_version", "keystore_id", "created_at", "generation", "row_count", "digest"]


def row_name(table, primary):
    """The table's name and the columns of the primary key."""
    def text(value):
        if isinstance(value, bytes):
            require(len(value) == 16, "an id of a wrong length")
            return str(uuid.UUID(bytes=value))
        return str(value)
    return "/".join([table] + [text(value) for value in primary])


def row_mac(key, name, columns):
    """HMAC over the name and every column of a row."""
    return hmac_sha256(key, b"EnvelopeFS row 1" + sized(name.encode()) + encoded(columns))


def encoded(columns):
    """Count and values of the columns of a row."""
    def column(value):
        if value is None:
            return b"\0"
        if isinstance(value, int):
            return b"\1" + value.to_bytes(8, "little", signed=True)
        return (b"\2" + sized(value.encode())) if isinstance(value, str) else b"\3" + sized(value)
    return len(columns).to_bytes(4, "little") + b"".join(map(column, columns))


def slot_keys(secret, salt, kind):
    """(key, commitment) of an unlock slot."""
    derived = hkdf_sha512(secret, salt, SLOT_LABEL + kind.encode(), 64)
    return derived[:32], derived[32:]


def scrypt(passphrase, salt, log_n, r, p):
    """The secret of a passphrase slot; parameters that are too weak or too heavy are refused before they run."""
    n = 1 << min(log_n, 64)
    require(log_n >= 1 and r >= 1 and 16 << 20 <= 128 * n * r <= 1 << 30 and 1 <= p <= 16 and n * r * p <= 1 << 24,
            "scrypt parameters outside the range")
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase)


class Keystore:
    """An opened keystore: `materials` of (key id, version), `rows` of every table, all of it authenticated."""

    def __init__(self, path, passphrase=None, recovery_code=None, key_file=None):
        self.version, self.rows = _rows(path)
        self._root = self._unlock(passphrase, recovery_code, key_file)
        self.sealing_key = hkdf_sha512(self._root, b"", b"EnvelopeFS key sealing 1", 32)
        self.row_key = hkdf_sha512(self._root, b"", b"EnvelopeFS row authentication 1", 32)
        self._authenticate()
        self.cmks = [dict(zip(TABLES["cmk"][1], row)) for row in self.rows["cmk"]]
        self.aliases = {name: key_id for name, key_id, _ in self.rows["alias"]}
        self.tags = {(key_id, name): value for key_id, name, value in self.rows["tag"]}
        require(all(cmk["state"] in STATES for cmk in self.cmks), "a key in an unknown state")
        self.materials = {(key_id, version): open_material(self.sealing_key, key_id, version, nonce, sealed)
                          for key_id, version, _, nonce, sealed in self.rows["cmk_version"]}

    def unwrap(self, blob, context):
        """A data key or vault key."""
        wrapped = WrappedKey(blob)
        require((wrapped.key_id, wrapped.version) in self.materials,
                f"the keystore has no key {uuid.UUID(bytes=wrapped.key_id)} of version {wrapped.version}")
        return wrapped.open(self.materials[wrapped.key_id, wrapped.version], context)

    def check_audit(self):
        """Every entry of the audit log in order, to its head. How many there are."""
        (_, nonce, sealed), = self.rows["audit_start"]
        key = gcm_open(hkdf_sha512(self._root, b"", b"EnvelopeFS audit verification 1", 32), nonce, sealed[:-GCM_TAG], sealed[-GCM_TAG:],
                       b"EnvelopeFS audit start 1", "the first audit key")
        last = bytes(32)
        for expected, (*columns, mac) in enumerate(sorted(self.rows["audit_entry"]), 1):
            require(columns[0] == expected, f"audit entry {expected} is not there")
            require(same(hmac_sha256(key, b"EnvelopeFS audit entry 1" + last + encoded(columns)), mac), f"audit entry {expected} was changed")
            key, last = hkdf_sha512(key, b"", b"EnvelopeFS audit ratchet 1", 32), mac
        (_, count, mac, nonce, sealed), = self.rows["audit_head"]
        head = gcm_open(hkdf_sha512(self._root, b"", b"EnvelopeFS audit sealing 1", 32), nonce, sealed[:-GCM_TAG], sealed[-GCM_TAG:],
                        b"EnvelopeFS audit head 1" + count.to_bytes(8, "little") + mac, "the audit head")
        require(count == len(self.rows["audit_entry"]) and same(mac, last) and same(head, key), "the audit log was cut")
        (_, marked, mark), = self.rows["audit_mark"]
        require(marked <= count and (marked == 0 or self.rows["audit_entry"][marked - 1][-1] == mark), "the audit log was put back")
        return count

    def _unlock(self, passphrase, recovery_code, key_file):
        for _, kind, _, log_n, r, p, salt, commitment, sealed in self.rows["unlock_slot"]:
            if kind == "passphrase" and passphrase is not None:
                secret = scrypt(passphrase, salt, log_n, r, p)
            elif kind == "recovery" and recovery_code is not None:
                secret = recovery.read(recovery_code)
            elif kind in ("key-file", "credential") and key_file is not None:
                secret = key_file
            else:
                continue
            key, ours = slot_keys(secret, salt, kind)
            if same(ours, commitment):
                return gcm_open(key, NONCE, sealed[:-GCM_TAG], sealed[-GCM_TAG:], SLOT_LABEL + kind.encode(), "the root key")
        require(False, "the secret opens no slot of the keystore")

    def _authenticate(self):
        """The keystore's own row, then every row, then count and digest."""
        require(len(self.rows["keystore"]) == 1, "the keystore has not one row about itself")
        *own, mac = self.rows["keystore"][0]
        require(same(row_mac(self.row_key, "keystore/1", own), mac), "the keystore's own row was changed")
        about = dict(zip(KEYSTORE, own))
        require(about["id"] == 1 and about["schema_version"] == self.version, "a keystore of another version")
        self.identity, self.generation = about["keystore_id"], about["generation"]
        macs = dict(self.rows["row_mac"])
        found = {}
        for table, (primary, _) in TABLES.items():
            for row in self.rows.get(table, []):
                name = row_name(table, row[:primary])
                found[name] = row_mac(self.row_key, name, row)
                require(name in macs and same(found[name], macs[name]), f"the row {name} was changed")
        require(set(found) == set(macs), "rows are missing from the keystore")
        joined = b"".join(macs[name] for name in sorted(macs, key=str.encode))
        require(about["row_count"] == len(macs) and same(hashlib.sha256(joined).digest(), about["digest"]),
                "the keystore's rows are not those of its last change")


def open_material(sealing_key, key_id, version, nonce, sealed):
    """The 32 bytes of one version of a customer master key."""
    return gcm_open(sealing_key, nonce, sealed[:-GCM_TAG], sealed[-GCM_TAG:], key_id + version.to_bytes(4, "little"), "key material")


def _rows(path):
    """Every row, read from a copy, so that the keystore's own files are not touched."""
    require(os.path.isfile(path), f"no keystore at {path}")
    with tempfile.TemporaryDirectory(prefix="interop-keystore-") as directory:
        copy = os.path.join(directory, "keystore.db")
        shutil.copyfile(path, copy)
        if os.path.exists(path + "-wal"):
            shutil.copyfile(path + "-wal", copy + "-wal")
        database = sqlite3.connect(copy)
        try:
            return _read(database)
        except sqlite3.DatabaseError as why:
            require(False, f"the keystore cannot be read: {why}")
        finally:
            database.close()


def _read(database):
    require(database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID, "no keystore of EnvelopeFS")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    require(1 <= version <= len(VERSIONS), f"a keystore of version {version}; this program knows 1 to {len(VERSIONS)}")
    expected = {name for names in VERSIONS[:version] for name in names}
    tables = {name: columns for name, (_, columns) in TABLES.items() if name in expected}
    tables |= {name: columns for name, columns in (AUDIT | SAFE).items() if name in expected}
    tables["row_mac"] = ["name", "mac"]
    tables["keystore"] = KEYSTORE + ["mac"]
    things = {name for name, in database.execute(
        "SELECT CASE type WHEN 'table' THEN name ELSE type || ' ' || name END FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")}
    require(things == expected, f"other tables than a keystore's: {sorted(things ^ expected)}")
    rows = {}
    for table, columns in tables.items():
        have = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        require(sorted(have) == sorted(columns), f"table {table} has other columns")
        rows[table] = database.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    return version, rows
