"""The vectors of the journal (FORMAT.md section 10), for test_vectors.py; generate_journal.py says what stands in them."""

import tempfile

from envelope import journal
from envelope.primitives import Refused
from envelope.replay import Overlay
from vectors_keys import equal

unhex = bytes.fromhex
KINDS = {"write": journal.WRITE, "length": journal.LENGTH, "zero": journal.ZERO}


class Journal:
    """Groups of journal-1.json; every method answers how many answers it compared."""

    GROUPS = ["journalKeys", "journalRecords", "journalRefused", "journalLarge", "journalFiles", "journalPairs", "journalEffects"]

    def __init__(self, vectors):
        self.v = vectors
        self.vault_key = unhex(vectors["vaultKey"])
        self.key = journal.journal_key(self.vault_key, vectors["keys"][0]["epoch"])

    def journalKeys(self):
        for x in self.v["keys"]:
            equal(journal.journal_key(self.vault_key, x["epoch"]), unhex(x["key"]), f"epoch {x['epoch']}")
        return len(self.v["keys"])

    def journalRecords(self):
        for x in self.v["records"]:
            pieces = [journal.Piece(KINDS[p["kind"]], p["place"], p["count"], unhex(p["bytes"]) if "bytes" in p else None) for p in x["pieces"]]
            file_id = unhex(x["fileID"])
            mtime = x["seconds"] * 10**9 + x["nanoseconds"]
            found = journal.Record(unhex(x["record"]), self.key)
            equal((found.sequence, found.mtime_ns, found.directory, found.file_id, found.name, found.pieces),
                  (x["sequence"], mtime, unhex(x["directory"]), file_id, x["name"].encode(), pieces), x["what"])
            equal(journal.seal_record(self.key, x["sequence"], pieces, unhex(x["directory"]), x["name"].encode(), file_id, mtime),
                  unhex(x["record"]), x["what"])
        return len(self.v["records"])

    def journalRefused(self):
        for x in self.v["refused"]:
            try:
                journal.Record(unhex(x["record"]), self.key)
            except Refused:
                equal(journal.read_records(unhex(x["record"]), self.key), [], x["what"])
                continue
            raise AssertionError(f"not refused: {x['what']}")
        return len(self.v["refused"])

    def journalLarge(self):
        for x in self.v["large"]:
            data = unhex(x["begin"]) + bytes([x["byte"]]) * x["count"] + unhex(x["end"])
            equal(len(journal.read_records(data, self.key)), int(x["isWhole"]), x["what"])
        return len(self.v["large"])

    def journalFiles(self):
        for x in self.v["files"]:
            equal([r.sequence for r in journal.read_records(unhex(x["file"]), self.key)], x["sequences"], x["what"])
        return len(self.v["files"])

    def journalPairs(self):
        for x in self.v["pairs"]:
            found = journal.join(*(journal.read_records(unhex(x[name]), self.key) for name in ("zero", "one")))
            equal([r.sequence for r in found], x["sequences"], x["what"])
        return len(self.v["pairs"])

    def journalEffects(self):
        for x in self.v["effects"]:
            with tempfile.TemporaryFile() as backing:
                backing.write(unhex(x["before"]))
                backing.flush()
                after = Overlay(backing.fileno(), [journal.Record(unhex(r), self.key) for r in x["records"]])
                expected = unhex(x["after"])
                equal(after.length, len(expected), x["what"])
                equal(after.read(0, 1 << 20), expected, x["what"])
                for at in range(0, len(expected), 61):
                    equal(after.read(at, 7), expected[at:at + 7], f"{x['what']}, from {at}")
        return len(self.v["effects"])
