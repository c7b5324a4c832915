#!/usr/bin/env python3
"""Checks the project's JSON vectors with this implementation; it recomputes every one, and must refuse every one that is to be refused.

    test_vectors.py [NAME…]      prints one line a group; exit status 1 if one answer differs
"""

import json
import os
import sys
import tempfile

from envelope import layout, names, vaultfile
from envelope.content import INLINE_INDEX, Content, Entry
from envelope.header import Header, State
from envelope.keys import FileKeys, VaultKeys
from envelope.primitives import Foreign, Refused, gcm_seal, hkdf
from envelope.replay import Disk
from vectors_journal import Journal
from vectors_keys import Keys, equal

TESTS = os.environ.get("ENVELOPEFS_TESTS", os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FORMAT_1 = os.path.join(TESTS, "FormatTests", "Vectors", "format-1.json")
JOURNAL_1 = os.path.join(TESTS, "FormatTests", "Vectors", "journal-1.json")
KEYS = os.path.join(TESTS, "KeyManagementTests", "Vectors")
unhex = bytes.fromhex


class Format:
    """The groups of format-1.json; every method is one group and returns how many answers it compared."""

    def __init__(self, vectors):
        self.v = vectors
        self.data_key, self.vault_key = unhex(vectors["dataKey"]), unhex(vectors["vaultKey"])
        self.file_id = unhex(vectors["fileID"])
        self.file, self.vault = FileKeys(self.data_key), VaultKeys(self.vault_key)

    def keys(self):
        for x in self.v["keys"]:
            info = x["label"].encode() + (x["salt"].to_bytes(2, "little") if x.get("salt") is not None else b"")
            master = self.data_key if x["master"] == "data" else self.vault_key
            equal(hkdf(master, info, len(x["key"]) // 2), unhex(x["key"]), x["label"])
        equal(self.vault.names.hex(), next(x["key"] for x in self.v["keys"] if x["label"].endswith("/1 names")), "names")
        return len(self.v["keys"])

    def blockPlaces(self):
        for x in self.v["blockPlaces"]:
            equal(layout.slot_offset(x["block"]), x["slot"], f"slot {x['block']}")
            equal(layout.block_offset(x["block"]), x["offset"], f"block {x['block']}")
        return len(self.v["blockPlaces"])

    def lengths(self):
        for x in self.v["lengths"]:
            size, backing = x["size"], x["backing"]
            if size == 0:
                equal(backing, 0, "empty")
            elif size <= layout.INLINE_MAX:
                equal(backing, layout.INLINE_CONTENT + size, f"inline {size}")
            else:
                equal(layout.backing_length(size), backing, f"length of {size}")
                equal(layout.plain_size(backing), (size, False), f"size of {backing}")
        return len(self.v["lengths"])

    def headers(self):
        for x in self.v["headers"]:
            header = Header(unhex(x["sector"]))
            equal((header.is_inline, header.wrapped_key, header.file_id),
                  (x["isInline"], unhex(x["wrappedKey"]), self.file_id), "header")
        return len(self.v["headers"])

    def states(self):
        for x in self.v["states"]:
            state = State(unhex(x["sector"]), self.header(x["isInline"]), self.file.state)
            equal((state.content_size, state.flags, state.generation), (x["contentSize"], x["flags"], x["generation"]), "state")
        return len(self.v["states"])

    def blocks(self):
        return self.sealed("blocks", self.file.block, lambda x: x["index"])

    def inlines(self):
        return self.sealed("inlines", self.file.inline, lambda x: INLINE_INDEX)

    def sealed(self, group, key, index):
        for x in self.v[group]:
            entry, sealed, plain = Entry(unhex(x["entry"])), unhex(x["sealed"]), unhex(x["plain"])
            equal((entry.nonce, entry.length, entry.salt), (unhex(x["nonce"]), len(plain), x["salt"]), "entry")
            equal(entry.open(key(x["salt"]), self.file_id, index(x), sealed, group), plain, group)
            associated = (self.file_id + index(x).to_bytes(8, "little") + entry.length.to_bytes(2, "little")
                          + entry.salt.to_bytes(2, "little"))
            equal(gcm_seal(key(x["salt"]), entry.nonce, plain, associated), (sealed, entry.tag), group + " sealed anew")
        return len(self.v[group])

    def files(self):
        for x in self.v["files"]:
            with tempfile.TemporaryFile() as backing:
                backing.write(unhex(x["backing"]))
                backing.flush()
                content = Content(Disk(backing.fileno()), lambda wrapped, file_id: self.data_key)
                plain = b""
                for offset, data, refused in content.extents():
                    equal(refused, None, x["what"])
                    plain += data if data is not None else bytes(min(layout.BLOCK, content.size - offset))
                equal(plain, unhex(x["plain"]), x["what"])
        return len(self.v["files"])

    def names(self):
        for x in self.v["names"]:
            plain, parent = unhex(x["plain"]), unhex(x["parent"])
            own = unhex(x["directoryID"]) if x["directoryID"] is not None else None
            side = tuple(x[k] and x[k].encode() for k in ("sideName", "sideContent"))
            equal(names.seal_name(self.vault, parent, own, plain), (x["backing"].encode(),) + side, "name")
            equal(self.open_name(x), plain, "name")
        return len(self.v["names"])

    def open_name(self, x):
        backing = names.BackingName(x["backing"].encode())
        if backing.is_side_file:
            raise Foreign("a side file")
        text = backing.text
        if backing.is_long:
            text = (x["sideContent"] or "").encode()
            names.check_side_text(backing, text)
        return names.open_name(self.vault, unhex(x["parent"]), backing.own, text)

    def links(self):
        for x in self.v["links"]:
            equal(names.seal_target(self.vault, unhex(x["plain"])), x["text"].encode(), "link")
            equal(names.open_target(self.vault, x["text"].encode()), unhex(x["plain"]), "link")
        return len(self.v["links"])

    def attributes(self):
        for x in self.v["attributes"]:
            object_id = unhex(x["objectID"]) + (bytes(8) if x["object"] == "directory" else b"")
            name, value = names.seal_attribute(self.vault, object_id, x["name"].encode(), unhex(x["value"]))
            equal((name, value), (x["sealedName"].encode(), unhex(x["sealedValue"])), "attribute")
            equal(names.open_attribute_name(self.vault, name), x["name"].encode(), "attribute name")
            equal(names.open_attribute_value(self.vault, object_id, name, value), unhex(x["value"]), "attribute value")
        return len(self.v["attributes"])

    def vaults(self):
        for x in self.v["vaults"]:
            file = vaultfile.VaultFile(x["text"].encode())
            file.verify(self.vault_key)
            policies = {k.hex(): v.hex() for k, v in file.policies.items()}
            equal((file.hint, file.clean, file.journal_epoch, file.key_state_generation, policies),
                  (x["hint"], x["clean"], x["epoch"], x["generation"], x["policies"]), "vault")
            equal((file.vault_id.hex(), file.root.hex(), file.keystore.hex(), file.default_key.hex(), file.wrapped_vault_key.hex()),
                  tuple(self.v[k] for k in ("vaultID", "rootDirectory", "keystoreID", "defaultKey", "wrappedVaultKey")), "vault")
        return len(self.v["vaults"])

    def refused(self):
        for x in self.v["refused"]:
            try:
                getattr(self, "try_" + x["kind"])(x)
            except (Refused, Foreign):
                continue
            raise AssertionError(f"not refused: {x['kind']}: {x['what']}")
        return len(self.v["refused"])

    def header(self, is_inline=False):
        return Header(unhex(next(h["sector"] for h in self.v["headers"] if h["isInline"] == is_inline)))

    def try_header(self, x):
        Header(unhex(x["bytes"]))

    def try_state(self, x):
        State(unhex(x["bytes"]), self.header(), self.file.state)

    def try_block(self, x):
        entry, sealed = Entry(unhex(x["entry"])), unhex(x["bytes"])
        if not 1 <= entry.length <= layout.BLOCK or len(sealed) < entry.length:
            raise Refused("length")
        entry.open(self.file.block(entry.salt), self.file_id, x["index"], sealed[:entry.length], "block")

    def try_name(self, x):
        self.open_name(x)

    def try_link(self, x):
        names.open_target(self.vault, x["text"].encode())

    def try_vault(self, x):
        # The vectors are older than the first feature: to them every one is unknown.
        vaultfile.VaultFile(x["text"].encode(), known=()).verify(self.vault_key)


GROUPS = ["keys", "blockPlaces", "lengths", "headers", "states", "blocks", "inlines", "files", "names", "links",
          "attributes", "vaults", "refused"]


def check(vectors, groups):
    """Runs the named groups; the number that failed."""
    failed = 0
    for group in groups:
        try:
            print(f"{group}: {getattr(vectors, group)()} agree")
        except (AssertionError, Refused, Foreign) as problem:
            failed += 1
            print(f"{group}: DIFFERS: {problem}")
    return failed


def main():
    with open(FORMAT_1, encoding="utf-8") as file:
        vectors = json.load(file)
    known = {k for k, v in vectors.items() if isinstance(v, list)}
    if known != set(GROUPS):
        print("groups that this test does not know, or that are gone:", *sorted(known ^ set(GROUPS)))
        return 1
    wanted = sys.argv[1:]
    failed = check(Format(vectors), [g for g in GROUPS if not wanted or g in wanted])
    with open(JOURNAL_1, encoding="utf-8") as file:
        failed += check(Journal(json.load(file)), [g for g in Journal.GROUPS if not wanted or g in wanted])
    failed += check(Keys(KEYS), [g for g in Keys.GROUPS if not wanted or g in wanted])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
