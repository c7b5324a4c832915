"""FORMAT.md section 2: the keys below a data key and below the vault key."""

from .primitives import hkdf


class FileKeys:
    """The keys below one file's data key; keys of a salt are derived once."""

    def __init__(self, data_key):
        self._data_key = data_key
        self._salted = {}
        self.state = hkdf(data_key, b"EnvelopeFS/1 state", 32)

    def block(self, salt):
        return self._of_salt(b"EnvelopeFS/1 block", salt)

    def inline(self, salt):
        return self._of_salt(b"EnvelopeFS/1 inline", salt)

    def _of_salt(self, label, salt):
        if (label, salt) not in self._salted:
            self._salted[label, salt] = hkdf(self._data_key, label + salt.to_bytes(2, "little"), 32)
        return self._salted[label, salt]


class VaultKeys:
    """The keys below the vault key."""

    def __init__(self, vault_key):
        self.names = hkdf(vault_key, b"EnvelopeFS/1 names", 64)
        self.links = hkdf(vault_key, b"EnvelopeFS/1 links", 64)
        self.attribute_names = hkdf(vault_key, b"EnvelopeFS/1 attribute names", 64)
        self.attribute_values = hkdf(vault_key, b"EnvelopeFS/1 attribute values", 64)
        self.vault_json = hkdf(vault_key, b"EnvelopeFS/1 vault.json", 32)


def file_context(vault_id, file_id):
    """Section 1: what a file's data key is bound to."""
    return {"purpose": "file", "vault-id": vault_id.hex(), "file-id": file_id.hex()}


def vault_context(vault_id):
    """Section 1: what a vault key is bound to."""
    return {"purpose": "vault", "vault-id": vault_id.hex()}
