"""FORMAT.md section 9: `.envelopefs/vault.json`."""

import json
import re

from .keys import VaultKeys, vault_context
from .primitives import Refused, from_base64url, from_hex, hmac_sha256, require, same

FORMAT = 1
FEATURES = frozenset({"JOURNAL"})
FILE_MAX = 1048576
HINT_MAX = 4096
MEMBERS = ["format", "features", "vault", "keystore", "keystoreHint", "keyStateGeneration", "defaultKey",
           "wrappedVaultKey", "rootDirectory", "journalEpoch", "clean"]
FEATURE = re.compile(r"[A-Z0-9_]{1,32}\Z")


def _pairs(pairs):
    names = [name for name, _ in pairs]
    require(len(names) == len(set(names)), "a member stands twice")
    return dict(pairs)


def _escape(text):
    """The one text of a string: only quote, backslash and control characters are escaped."""
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif ord(character) < 0x20:
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'


def _canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _escape(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(_escape(k) + ":" + _canonical(v) for k, v in value.items()) + "}"
    raise Refused("vault.json: a value of a kind that has no place in it")


def _line(line, members=None):
    """The object of one line, which must be the one text of its content."""
    try:
        value = json.loads(line, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise Refused("vault.json: a line that is no JSON") from None
    require(isinstance(value, dict), "vault.json: a line that is no object")
    if members is not None:
        require(list(value) == members, "vault.json: other members, or in another order")
    return value


def _number(value, most=(1 << 64) - 1):
    require(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most, "vault.json: not a number")
    return value


class VaultFile:
    """What vault.json says. Nothing but format, features, vault id and wrapped key is to be believed before `verify`."""

    def __init__(self, data, known=FEATURES):
        require(len(data) <= FILE_MAX, "vault.json is too long")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused("vault.json is no UTF-8") from None
        require(text.endswith("\n"), "vault.json does not end in a line feed")
        lines = text[:-1].split("\n")
        first = _line(lines[0])
        self.format = first.get("format")
        self.features = first.get("features")
        require(isinstance(self.format, int) and not isinstance(self.format, bool), "vault.json: no format")
        require(self.format == FORMAT, f"the vault has format {self.format}; this program knows {FORMAT}")
        self._check_features(known)
        require(len(lines) >= 2, "vault.json has no tag")
        first = _line(lines[0], MEMBERS)
        self._read_first(first)
        self.policies = self._read_policies(lines[1:-1])
        tag = _line(lines[-1], ["tag"])
        self.tag = from_hex(tag["tag"], 32)
        for line in lines:
            require(_canonical(_line(line)) == line, "vault.json: not the one text of its content")
        self._tagged = data[:len(data) - len(lines[-1].encode()) - 1]

    def _check_features(self, known):
        features = self.features
        require(isinstance(features, list) and len(features) <= 64, "vault.json: features are no list")
        require(all(isinstance(f, str) and FEATURE.match(f) for f in features), "vault.json: a feature that is none")
        require(features == sorted(set(features)), "vault.json: features out of order")
        unknown = [f for f in features if f not in known]
        require(not unknown, f"the vault needs {', '.join(unknown)}; this program knows {', '.join(sorted(known)) or 'no feature'}")

    def _read_first(self, first):
        self.vault_id = from_hex(first["vault"], 16)
        self.keystore = from_hex(first["keystore"], 16)
        self.hint = first["keystoreHint"]
        require(self.hint is None or isinstance(self.hint, str) and len(self.hint.encode()) <= HINT_MAX,
                "vault.json: a hint that is none")
        self.key_state_generation = _number(first["keyStateGeneration"])
        self.default_key = from_hex(first["defaultKey"], 16)
        require(isinstance(first["wrappedVaultKey"], str), "vault.json: no wrapped key")
        self.wrapped_vault_key = from_base64url(first["wrappedVaultKey"].encode())
        require(1 <= len(self.wrapped_vault_key) <= 448, "vault.json: a wrapped key of a wrong length")
        self.root = from_hex(first["rootDirectory"], 8)
        self.journal_epoch = int.from_bytes(from_hex(first["journalEpoch"], 8), "big")
        self.clean = first["clean"]
        require(isinstance(self.clean, bool), "vault.json: clean is no boolean")

    @staticmethod
    def _read_policies(lines):
        policies, before = {}, b""
        for line in lines:
            policy = _line(line, ["directory", "key"])
            directory, key = from_hex(policy["directory"], 8), from_hex(policy["key"], 16)
            require(directory > before or not policies, "vault.json: policies out of order")
            policies[directory] = key
            before = directory
        return policies

    @property
    def counts_journal(self):
        """Whether files are what stands on disk only after the journal's records (section 10)."""
        return "JOURNAL" in self.features and not self.clean

    def context(self):
        return vault_context(self.vault_id)

    def verify(self, vault_key):
        """The vault's keys, after the tag was checked."""
        keys = VaultKeys(vault_key)
        require(same(hmac_sha256(keys.vault_json, self._tagged), self.tag), "vault.json was changed by somebody without the keys")
        return keys
