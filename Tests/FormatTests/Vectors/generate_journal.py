#!/usr/bin/env python3
"""Writes journal-1.json: known answers for the redo journal (Docs/FORMAT.md section 10), from the document and Python's `cryptography`, not from the Swift code.

Golden bytes are forever: run this to add a vector, never to change one. All bytes are in hex, all numbers are numbers (u64 may be above 2^53).

    vaultKey        the vault key
    keys            [{epoch, key}]: the key of an epoch's records. All records below are of the first
    records         [{what, sequence, seconds, nanoseconds, fileID, directory, name, pieces, record}]: what a record of these values is, as a whole with its
                    length and tag. name is the backing name as text, "" for not known;
                    pieces [{kind "write" | "length" | "zero", place, count, bytes (of a write only)}]
    refused         [{what, record}]: none of these is a whole record, alone or as the first of a file; each differs from a right one in what it says. Where it is not
                    the tag or the length that is wrong, the tag is right for the bytes
    large           [{what, isWhole, begin, byte, count, end}]: the record is begin, count times that byte, end
    files           [{what, file, sequences}]: a journal file and the sequences of the records that are read from it, in order
    pairs           [{what, zero, one, sequences}]: journal-0 and journal-1, and the sequences that count, in the order in which they are applied
    effects         [{what, before, records, after}]: a backing file, its records (whole, in order), and the file after them
"""
import json, pathlib, struct
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VAULT_KEY = bytes(range(0x20, 0x40))
FILE_ID = bytes(range(0x40, 0x50))
ROOT = bytes(range(0x80, 0x88))
EPOCH = 0x0123456789ABCDEF
NAME = "SeO4ILiTbfXp2zMvlhUpNAvRMFYKsp1qgQ"
WRITE, LENGTH, ZERO = 1, 2, 3
KINDS = {WRITE: "write", LENGTH: "length", ZERO: "zero"}


def derive(epoch):
    return HKDF(SHA256(), 32, b"", b"EnvelopeFS/1 journal" + struct.pack("<Q", epoch)).derive(VAULT_KEY)


KEY = derive(EPOCH)


def pattern(count, seed):
    return bytes((seed + 7 * k + (k >> 8)) & 255 for k in range(count))


def piece(kind, place, count, data=b"", zero=0):
    return struct.pack("<IIQQ", kind, zero, place, count) + data


def write(place, data):
    return piece(WRITE, place, len(data), data)


def record(sequence, pieces, *, number=None, length=None, seconds=1790000000, nanoseconds=123456789, m=None, reserved=0,
           directory=ROOT, file_id=FILE_ID, name=NAME, key=KEY, nonce=None, behind=b""):
    """A record with whatever of its fields is to be wrong; the tag is right for the bytes."""
    name = name.encode()
    body = struct.pack("<IQqIHH", len(pieces) if number is None else number, sequence, seconds, nanoseconds, len(name) if m is None else m, reserved)
    body += file_id + directory + name + b"".join(pieces) + behind
    body = struct.pack("<I", 4 + len(body) + 16 if length is None else length) + body
    return body + AESGCM(key).encrypt(nonce or struct.pack("<Q4x", sequence), b"", body)


def flip(data, at):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


out = {"vaultKey": VAULT_KEY.hex(), "keys": [{"epoch": e, "key": derive(e).hex()} for e in (EPOCH, 0, 1, (1 << 64) - 1)]}

# whole records
given = [
    ("write, length and zeros", 7, 1790000000, 123456789, ROOT, FILE_ID, NAME,
     [(WRITE, 4096, b"sealed bytes as they stand on disk"), (LENGTH, 8200, 0), (ZERO, 5000, 3000)]),
    ("no piece, no name", 0, 0, 0, bytes(8), FILE_ID, "", []),
    ("greatest numbers, time before 1970", (1 << 64) - 2, -1, 999999999, b"\xff" * 8, b"\xff" * 16, "n" * 255,
     [(LENGTH, (1 << 63) - 1, 0), (ZERO, 0, (1 << 63) - 1), (WRITE, (1 << 63) - 2, b"x")]),
    ("a write of no byte", 9, 1, 2, ROOT, FILE_ID, NAME, [(WRITE, 12, b"")]),
    ("the same kind twice", 10, 1, 2, ROOT, FILE_ID, NAME, [(ZERO, 0, 512), (WRITE, 0, b"a"), (WRITE, 0, b"b"), (ZERO, 0, 0)]),
]
out["records"] = []
for what, sequence, seconds, nanoseconds, directory, file_id, name, pieces in given:
    raw = [write(p, x) if k == WRITE else piece(k, p, x) for k, p, x in pieces]
    whole = record(sequence, raw, seconds=seconds, nanoseconds=nanoseconds, directory=directory, file_id=file_id, name=name)
    out["records"].append({
        "what": what, "sequence": sequence, "seconds": seconds, "nanoseconds": nanoseconds, "directory": directory.hex(),
        "fileID": file_id.hex(), "name": name, "record": whole.hex(),
        "pieces": [{"kind": KINDS[k], "place": p, "count": len(x) if k == WRITE else x} | ({"bytes": x.hex()} if k == WRITE else {}) for k, p, x in pieces]})

# what is not whole
some = [write(4096, b"some bytes"), piece(LENGTH, 5000, 0)]
good = record(5, some)
out["refused"] = [{"what": what, "record": data.hex()} for what, data in (
    ("nothing", b""), ("zeros", bytes(4096)), ("length 71", record(5, [], name="", length=71)), ("length 0", record(5, some, length=0)),
    ("length beyond the end", record(5, some, length=len(good) + 1)), ("length one less than the bytes that are sealed", record(5, some, length=len(good) - 1)),
    ("cut by one", good[:-1]), ("cut in its head", good[:40]),
    ("tag", flip(good, len(good) - 1)), ("a byte of the length", flip(good, 1)), ("number of pieces changed", flip(good, 4)), ("sequence changed", flip(good, 8)),
    ("time changed", flip(good, 16)), ("file id changed", flip(good, 32)), ("directory changed", flip(good, 48)), ("name changed", flip(good, 56)),
    ("a byte to write changed", flip(good, 56 + len(NAME) + 24)), ("place changed", flip(good, 56 + len(NAME) + 8)),
    ("of another epoch", record(5, some, key=derive(EPOCH + 1))), ("of another sequence's nonce", record(5, some, nonce=struct.pack("<Q4x", 6))),
    ("a byte behind the pieces", record(5, some, behind=b"\0")), ("one piece more than it says", record(5, some, number=1)),
    ("one piece fewer than it says", record(5, some, number=3)), ("a piece of which only its head fits in part", record(5, some[:1], number=2, behind=some[1][:23])),
    ("a write longer than the record", record(5, [piece(WRITE, 0, 11, b"ten bytes.")])), ("a write of 2^64 - 1 bytes", record(5, [piece(WRITE, 0, (1 << 64) - 1, b"ten bytes.")])),
    ("a name longer than the record", record(5, [], m=200, name="short")), ("kind 0", record(5, [piece(0, 0, 0)])), ("kind 4", record(5, [piece(4, 0, 0)])),
    ("bytes 30 and 31", record(5, some, reserved=1)), ("bytes 4 to 7 of a piece", record(5, [piece(LENGTH, 0, 0, zero=1)])),
    ("a name of 256 bytes", record(5, some, name="n" * 256)), ("a second of nanoseconds", record(5, some, nanoseconds=10**9)), ("a length piece with a count", record(5, [piece(LENGTH, 5, 1)])),
    ("a length of 2^63", record(5, [piece(LENGTH, 1 << 63, 0)])), ("zeros to 2^63", record(5, [piece(ZERO, 1, (1 << 63) - 1)])),
    ("zeros beyond 2^64", record(5, [piece(ZERO, 2, (1 << 64) - 1)])), ("a write to 2^63", record(5, [write((1 << 63) - 1, b"x")])))]

large = {count: record(5, [write(0, b"\x5a" * count)], name="") for count in (262144 - 72 - 24, 262145 - 72 - 24)}
out["large"] = [{"what": f"a record of {len(r)} bytes", "isWhole": len(r) <= 262144, "begin": r[:80].hex(), "byte": 0x5A, "count": count, "end": r[-16:].hex()} for count, r in large.items()]

# files of records
three = {n: record(n, [write(n, b"%d" % n)]) for n in range(30)}


def of(*numbers):
    return b"".join(three[n] for n in numbers)


out["files"] = [{"what": what, "file": data.hex(), "sequences": found} for what, data, found in (
    ("empty", b"", []), ("zeros", bytes(4096), []), ("three", of(5, 6, 7), [5, 6, 7]), ("three and zeros", of(5, 6, 7) + bytes(1000), [5, 6, 7]),
    ("three and 71 bytes", of(5, 6, 7, 8)[:len(of(5, 6, 7)) + 71], [5, 6, 7]), ("the third cut", of(5, 6, 7)[:-1], [5, 6]),
    ("the second damaged", of(5) + flip(of(6), 70) + of(7), [5]), ("the first damaged", flip(of(5), 70) + of(6, 7), []), ("made invalid", bytes(4096) + of(5, 6, 7), []),
    ("older ones behind", of(17, 18) + of(9, 10), [17, 18]), ("one left out", of(5, 7), [5]), ("one twice", of(5, 5, 6), [5]), ("beginning with 0", of(0, 1), [0, 1]),
    ("the last of another epoch", of(5, 6) + record(7, some, key=derive(1)), [5, 6]),
    ("a second one that fits and says an unknown kind", of(5) + record(6, [piece(9, 0, 0)]) + of(7), [5]))]
out["pairs"] = [{"what": what, "zero": zero.hex(), "one": one.hex(), "sequences": found} for what, zero, one, found in (
    ("both empty", b"", b"", []), ("only the first", of(5, 6), b"", [5, 6]), ("only the second", bytes(100), of(5, 6), [5, 6]),
    ("in order", of(5, 6), of(7, 8), [5, 6, 7, 8]), ("in turned order", of(7, 8), of(5, 6), [5, 6, 7, 8]), ("one is missing between", of(5, 6), of(8, 9), [5, 6]),
    ("the same, turned", of(8, 9), of(5, 6), [5, 6]), ("the end of the lower is damaged", flip(of(5, 6), 2 * len(of(5)) - 1), of(7, 8), [5]),
    ("the begin of the lower is made invalid", bytes(4096) + of(5, 6), of(7, 8), [7, 8]), ("overlapping", of(5, 6, 7), of(7, 8), [5, 6, 7]))]

# what records do to a file
page = pattern(500, 3)


def effect(what, before, after, *records):
    return {"what": what, "before": before.hex(), "after": after.hex(), "records": [record(5 + n, pieces).hex() for n, pieces in enumerate(records)]}


out["effects"] = [
    effect("a write inside", page, page[:100] + b"new" + page[103:], [write(100, b"new")]),
    effect("a write over the end", page, page[:490] + bytes(range(20)), [write(490, bytes(range(20)))]),
    effect("a write beyond the end", page, page + bytes(100) + b"new", [write(600, b"new")]),
    effect("a write of no byte beyond the end changes nothing", page, page, [write(600, b"")]),
    effect("cut", page, page[:10], [piece(LENGTH, 10, 0)]), effect("grown", page, page + bytes(400), [piece(LENGTH, 900, 0)]),
    effect("cut and grown: what was cut is zeros", page, page[:10] + bytes(90), [piece(LENGTH, 10, 0), piece(LENGTH, 100, 0)]),
    effect("the same in two records", page, page[:10] + bytes(90), [piece(LENGTH, 10, 0)], [piece(LENGTH, 100, 0)]),
    effect("cut, then written beyond", page, page[:10] + bytes(20) + b"new", [piece(LENGTH, 10, 0), write(30, b"new")]),
    effect("cut to nothing and begun again", page, b"again", [piece(LENGTH, 0, 0)], [write(0, b"again")]),
    effect("zeros inside", page, page[:7] + bytes(100) + page[107:], [piece(ZERO, 7, 100)]),
    effect("zeros over the end do not grow a file", page, page[:400] + bytes(100), [piece(ZERO, 400, 1 << 40)]),
    effect("zeros beyond the end", page, page, [piece(ZERO, 900, 10)]), effect("of two writes the later stands", page, page[:2] + b"c" + b"bd" + page[5:], [write(2, b"abx"), write(2, b"c")], [write(4, b"d")]),
    effect("an empty file", b"", bytes(4) + b"x", [write(4, b"x")]), effect("all again changes nothing", page[:10] + b"!", page[:10] + b"!", [piece(LENGTH, 10, 0), write(10, b"!")]),
]

if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("journal-1.json")
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, {k: len(v) for k, v in out.items() if isinstance(v, list)})
