#!/usr/bin/env python3
"""Writes format-1.json: known answers for vault format 1, from Docs/FORMAT.md and Python's `cryptography`, not from the Swift code.

Golden bytes are forever: run this to add a vector, never to change one."""
import base64, hashlib, hmac, json, pathlib, struct
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PAGE = 4096


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def derive(master, label, size=32, salt=None):
    info = b"EnvelopeFS/1 " + label.encode() + (b"" if salt is None else struct.pack("<H", salt))
    return HKDF(SHA256(), size, b"", info).derive(master)


def block_offset(i):
    j = i + 16
    return ((j >> 6) * 65 + (j & 63) - 15) * PAGE


def slot_offset(i):
    j = i + 16
    g = j >> 6
    return (0 if g == 0 else (65 * g - 16) * PAGE) + (j & 63) * 64


def backing_length(size):
    if size == 0:
        return 0
    if size <= 3040:
        return 1056 + size
    last = (size - 1) // PAGE
    return block_offset(last) + size - last * PAGE


def header(file_id, inline, wrapped):
    h = b"ENVELOPE" + struct.pack("<HH", 1, 1 if inline else 0) + file_id + struct.pack("<H", len(wrapped)) + wrapped
    return h.ljust(512, b"\0")


def state(dek, file_id, inline, size, flags, generation, nonce):
    plain = struct.pack("<QIQ12x", size, flags, generation)
    aad = b"ENVELOPE" + struct.pack("<HH", 1, 1 if inline else 0) + file_id
    return (nonce + AESGCM(derive(dek, "state")).encrypt(nonce, plain, aad)).ljust(512, b"\0")


def seal(dek, file_id, label, index, plain, nonce, salt):
    aad = file_id + struct.pack("<QHH", index, len(plain), salt)
    sealed = AESGCM(derive(dek, label, salt=salt)).encrypt(nonce, plain, aad)
    return nonce + sealed[-16:] + struct.pack("<HH", len(plain), salt), sealed[:-16]


def name(key, plain, parent, own):
    aad = (b"\1" if own else b"\0") + parent + (own or bytes(8))
    text = b64(AESSIV(key).encrypt(plain, [aad]))
    suffix = "." + b64(own) if own else ""
    if len(text) + len(suffix) <= 255:
        return text + suffix, None, None
    h = b64(hashlib.sha256(text.encode()).digest())
    return "+" + h + suffix, "=" + h, text


def pattern(count, seed):
    return bytes((seed + 7 * k + (k >> 8)) & 255 for k in range(count))


DEK = bytes(range(0x00, 0x20))
VAULT_KEY = bytes(range(0x20, 0x40))
FILE_ID = bytes(range(0x40, 0x50))
VAULT_ID = bytes(range(0x50, 0x60))
KEYSTORE_ID = bytes(range(0x60, 0x70))
KEY_ID = bytes(range(0x70, 0x80))
ROOT = bytes(range(0x80, 0x88))
SUB = bytes(range(0x88, 0x90))
NONCE = bytes(range(0x90, 0x9C))
WRAPPED = pattern(150, 0xA0)
out = {"dataKey": DEK.hex(), "vaultKey": VAULT_KEY.hex(), "fileID": FILE_ID.hex(), "vaultID": VAULT_ID.hex(), "rootDirectory": ROOT.hex()}

# keys
out["keys"] = [{"master": "data", "label": "EnvelopeFS/1 state", "key": derive(DEK, "state").hex()}]
for kind in ("block", "inline"):
    for salt in (0, 0x1234, 0xFFFF):
        out["keys"].append({"master": "data", "label": f"EnvelopeFS/1 {kind}", "salt": salt, "key": derive(DEK, kind, salt=salt).hex()})
SIZES = {"names": 64, "links": 64, "attribute names": 64, "attribute values": 64, "vault.json": 32, "journal": 32}
for label, size in SIZES.items():
    out["keys"].append({"master": "vault", "label": f"EnvelopeFS/1 {label}", "key": derive(VAULT_KEY, label, size).hex()})

# layout
blocks = [0, 1, 47, 48, 49, 111, 112, 175, 176, 4095, 1 << 20, (1 << 32) - 1, 1 << 32, (1 << 50) - 1]
out["blockPlaces"] = [{"block": i, "slot": slot_offset(i), "offset": block_offset(i)} for i in blocks]
sizes = [0, 1, 3039, 3040, 3041, 4095, 4096, 4097, 8192, 48 * PAGE - 1, 48 * PAGE, 48 * PAGE + 1, 112 * PAGE, 112 * PAGE + 1, 1 << 32, (1 << 44) + 5, 1 << 62]
out["lengths"] = [{"size": s, "backing": backing_length(s)} for s in sizes]

# header, state, blocks, inline
out["headers"] = [{"isInline": i, "wrappedKey": w.hex(), "sector": header(FILE_ID, i, w).hex()} for i, w in ((False, WRAPPED), (True, b"\1"), (False, pattern(448, 3)))]
out["states"] = [
    {"isInline": i, "contentSize": s, "flags": f, "generation": g, "nonce": NONCE.hex(), "sector": state(DEK, FILE_ID, i, s, f, g, NONCE).hex()}
    for i, s, f, g in ((False, 10000, 0, 7), (True, 5, 0, 1), (False, 0, 1, 2), (False, 1 << 62, 2, 1 << 40), (False, 12345, 7, 3), (False, 10000, 8, 7), (True, 5, 8, 2), (False, 12345, 15, 3))
]
out["blocks"], out["inlines"] = [], []
for index, plain, salt in ((0, b"hello, block\n", 0x1234), (1, pattern(4096, 1), 0), (47, b"\xff", 0xFFFF), (48, pattern(4095, 9), 1), ((1 << 50) - 1, pattern(16, 2), 0x8000)):
    entry, sealed = seal(DEK, FILE_ID, "block", index, plain, NONCE, salt)
    out["blocks"].append({"index": index, "salt": salt, "nonce": NONCE.hex(), "plain": plain.hex(), "entry": entry.hex(), "sealed": sealed.hex()})
for plain, salt in ((b"hello, inline\n", 0x1234), (b"x", 0), (pattern(3040, 5), 0xFFFF)):
    entry, sealed = seal(DEK, FILE_ID, "inline", (1 << 64) - 1, plain, NONCE, salt)
    out["inlines"].append({"salt": salt, "nonce": NONCE.hex(), "plain": plain.hex(), "entry": entry.hex(), "sealed": sealed.hex()})


# whole files
def inline_file(plain, salt=0x1234):
    entry, sealed = seal(DEK, FILE_ID, "inline", (1 << 64) - 1, plain, NONCE, salt)
    return header(FILE_ID, True, WRAPPED) + state(DEK, FILE_ID, True, len(plain), 0, 1, NONCE) + entry + sealed


def blocked_file(parts, size, flags, salt=0x1234):
    """parts: {block: plain}; blocks that are not named are holes."""
    image = bytearray(backing_length(size))
    image[0:1024] = header(FILE_ID, False, WRAPPED) + state(DEK, FILE_ID, False, size, flags, 2, NONCE)
    for i, plain in parts.items():
        entry, sealed = seal(DEK, FILE_ID, "block", i, plain, bytes(11) + bytes([i + 1]), salt)
        image[slot_offset(i):slot_offset(i) + 32] = entry
        image[block_offset(i):block_offset(i) + len(sealed)] = sealed
    return bytes(image)


def content(parts, size):
    plain = bytearray(size)
    for i, part in parts.items():
        plain[i * PAGE:i * PAGE + len(part)] = part
    return bytes(plain)


small = b"A small file stands in one page.\n"
parts = {0: pattern(4096, 11), 1: b"a partial block in the middle", 3: pattern(1000, 12)}
out["files"] = [
    {"what": "inline", "plain": small.hex(), "backing": inline_file(small).hex()},
    {"what": "two blocks", "plain": content({0: pattern(4096, 21), 1: pattern(100, 22)}, 4196).hex(),
     "backing": blocked_file({0: pattern(4096, 21), 1: pattern(100, 22)}, 4196, 0).hex()},
    {"what": "sparse, with a partial block", "plain": content(parts, 3 * PAGE + 1000).hex(), "backing": blocked_file(parts, 3 * PAGE + 1000, 2).hex()},
]

# names, links, attributes
names = derive(VAULT_KEY, "names", 64)
out["names"] = []
for plain, parent, own in (
    (b"a", ROOT, None), (b"hello.txt", ROOT, None), (b"hello.txt", SUB, None), (b"src", ROOT, SUB), ("Übergröße €".encode(), SUB, None), (b"\xff\xfe not UTF-8", ROOT, None),
    (b"n" * 175, ROOT, None), (b"n" * 176, ROOT, None), (b"n" * 255, ROOT, None), (b"d" * 166, ROOT, SUB), (b"d" * 167, ROOT, SUB), (b"d" * 255, SUB, ROOT)):
    backing, side, text = name(names, plain, parent, own)
    out["names"].append({"plain": plain.hex(), "parent": parent.hex(), "directoryID": own and own.hex(), "backing": backing, "sideName": side, "sideContent": text})
links = derive(VAULT_KEY, "links", 64)
out["links"] = [
    {"plain": t.hex(), "text": b64(AESSIV(links).encrypt(b"\1" + t, [b"\1" + bytes(16)]))} for t in (b"x", b"../target", b"/" + b"p" * 3000)]
keys = AESSIV(derive(VAULT_KEY, "attribute names", 64)), AESSIV(derive(VAULT_KEY, "attribute values", 64))
out["attributes"] = []
for attribute, value, kind, owner in ((b"user.comment", b"hello", "file", FILE_ID), (b"user.e", b"", "directory", SUB), (b"user." + b"k" * 168, pattern(500, 4), "file", FILE_ID)):
    sealed_name = "user.efs." + b64(keys[0].encrypt(attribute[5:], [b"\2"]))
    sealed = keys[1].encrypt(b"\1" + value, [b"\3" + owner.ljust(16, b"\0") + sealed_name.encode()])
    out["attributes"].append({"name": attribute.decode(), "sealedName": sealed_name, "object": kind, "objectID": owner.hex(), "value": value.hex(), "sealedValue": sealed.hex()})


# vault.json
def vault_json(hint, policies, features=(), version=1, clean=True, epoch=0, generation=7, key=VAULT_KEY):
    first = {"format": version, "features": list(features), "vault": VAULT_ID.hex(), "keystore": KEYSTORE_ID.hex(), "keystoreHint": hint,
             "keyStateGeneration": generation, "defaultKey": KEY_ID.hex(), "wrappedVaultKey": b64(WRAPPED), "rootDirectory": ROOT.hex(),
             "journalEpoch": f"{epoch:016x}", "clean": clean}
    lines = [first] + [{"directory": d.hex(), "key": k.hex()} for d, k in sorted(policies.items())]
    body = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    tag = hmac.new(derive(key, "vault.json"), body.encode(), "sha256").hexdigest()
    return body + '{"tag":"' + tag + '"}\n'


out["vaults"] = [
    {"hint": None, "policies": {}, "clean": True, "epoch": 0, "generation": 7, "text": vault_json(None, {})},
    {"hint": "/home/me/\"keys\"/ключ.db", "policies": {SUB.hex(): KEYSTORE_ID.hex(), ROOT.hex(): KEY_ID.hex()}, "clean": False, "epoch": 0x0123456789ABCDEF,
     "generation": (1 << 64) - 1,
     "text": vault_json("/home/me/\"keys\"/ключ.db", {SUB: KEYSTORE_ID, ROOT: KEY_ID}, clean=False, epoch=0x0123456789ABCDEF, generation=(1 << 64) - 1)},
]
out["wrappedVaultKey"], out["keystoreID"], out["defaultKey"] = WRAPPED.hex(), KEYSTORE_ID.hex(), KEY_ID.hex()


# what must be refused, and as what
def flip(data, bit):
    b = bytearray(data)
    b[bit // 8] ^= 1 << (bit % 8)
    return bytes(b)


refused = []
good = header(FILE_ID, False, WRAPPED)
for what, sector, error in (
    ("magic", flip(good, 0), "badMagic"), ("version", flip(good, 64), "unsupportedVersion"), ("unknown flag", flip(good, 81), "reservedBytes"),
    ("no wrapped key", good[:28] + bytes(484), "damaged"), ("wrapped key of 449", good[:28] + struct.pack("<H", 449) + bytes(482), "damaged"),
    ("byte behind the wrapped key", flip(good, 180 * 8), "reservedBytes"), ("last bit", flip(good, 4095), "reservedBytes"),
    ("short", good[:511], "damaged"), ("all zero", bytes(512), "unwritten")):
    refused.append({"kind": "header", "what": what, "bytes": sector.hex(), "error": error})
good = state(DEK, FILE_ID, False, 10000, 0, 7, NONCE)
other = bytes(16)
for what, sector, error in (
    ("nonce", flip(good, 3), "authenticationFailed"), ("sealed", flip(good, 12 * 8), "authenticationFailed"), ("tag", flip(good, 44 * 8 + 7), "authenticationFailed"),
    ("reserved", flip(good, 60 * 8), "reservedBytes"), ("of an inline file", state(DEK, FILE_ID, True, 10000, 0, 7, NONCE), "authenticationFailed"),
    ("of another file", state(DEK, other, False, 10000, 0, 7, NONCE), "authenticationFailed"), ("of another key", state(VAULT_KEY, FILE_ID, False, 10000, 0, 7, NONCE), "authenticationFailed"),
    ("unknown flag", state(DEK, FILE_ID, False, 10000, 16, 7, NONCE), "reservedBytes"), ("all zero", bytes(512), "authenticationFailed")):
    refused.append({"kind": "state", "what": what, "bytes": sector.hex(), "error": error})
plain = b"hello, block\n"
entry, sealed = seal(DEK, FILE_ID, "block", 0, plain, NONCE, 0x1234)
for what, index, e, s, error in (
    ("nonce", 0, flip(entry, 0), sealed, "authenticationFailed"), ("tag", 0, flip(entry, 12 * 8), sealed, "authenticationFailed"),
    ("length, longer than the bytes", 0, flip(entry, 28 * 8 + 1), sealed, "damaged"), ("length, shorter", 0, flip(entry, 28 * 8), sealed, "authenticationFailed"),
    ("length 0", 0, entry[:28] + bytes(2) + entry[30:], sealed, "damaged"), ("length 4097", 0, entry[:28] + struct.pack("<H", 4097) + entry[30:], sealed.ljust(4097, b"\0"), "damaged"),
    ("salt", 0, flip(entry, 30 * 8), sealed, "authenticationFailed"), ("sealed byte", 0, entry, flip(sealed, 8), "authenticationFailed"),
    ("another index", 1, entry, sealed, "authenticationFailed"),
    ("another file", 0, *seal(DEK, other, "block", 0, plain, NONCE, 0x1234), "authenticationFailed"),
    ("inline content as a block", 0, *seal(DEK, FILE_ID, "inline", (1 << 64) - 1, plain, NONCE, 0x1234), "authenticationFailed")):
    refused.append({"kind": "block", "what": what, "index": index, "entry": e.hex(), "bytes": s.hex(), "error": error})
src, _, _ = name(names, b"src", ROOT, SUB)
hello, _, _ = name(names, b"hello.txt", ROOT, None)
long, side, text = name(names, b"n" * 255, ROOT, None)
other_text = name(names, b"m" * 255, ROOT, None)[2]
for what, backing, content_of_side, parent, error in (
    ("in another directory", hello, None, SUB, "authenticationFailed"), ("another id", src.split(".")[0] + "." + b64(ROOT), None, ROOT, "authenticationFailed"),
    ("a file's name as a directory's", hello + "." + b64(SUB), None, ROOT, "authenticationFailed"), ("a directory's name as a file's", src.split(".")[0], None, ROOT, "authenticationFailed"),
    ("changed character", ("B" if hello[0] == "A" else "A") + hello[1:], None, ROOT, "authenticationFailed"),
    ("padding", hello + "=", None, ROOT, "foreignName"), ("unused bits", name(names, b"a", ROOT, None)[0][:-1] + "B", None, ROOT, "foreignName"),
    ("too short", b64(bytes(16)), None, ROOT, "foreignName"), ("plain", "hello.txt", None, ROOT, "foreignName"), ("empty", "", None, ROOT, "foreignName"),
    ("long without side file", long, None, ROOT, "sideFileMissing"), ("long with another's side file", long, other_text, ROOT, "authenticationFailed"),
    ("side file itself", side, None, ROOT, "foreignName"), ("slash inside", b64(AESSIV(names).encrypt(b"a/b", [b"\0" + ROOT + bytes(8)])), None, ROOT, "invalidName"),
    ("dot dot", b64(AESSIV(names).encrypt(b"..", [b"\0" + ROOT + bytes(8)])), None, ROOT, "invalidName"),
    ("short name in the long form", "+" + b64(hashlib.sha256(hello.encode()).digest()), hello, ROOT, "damaged")):
    refused.append({"kind": "name", "what": what, "backing": backing, "sideContent": content_of_side, "parent": parent.hex(), "error": error})
link = out["links"][1]["text"]
for what, t, error in (
    ("changed", ("B" if link[0] == "A" else "A") + link[1:], "authenticationFailed"), ("cut", b64(base64.urlsafe_b64decode(link + "=" * (-len(link) % 4))[:-3]), "authenticationFailed"), ("plain", "../target", "damaged"),
    ("an attribute value", b64(AESSIV(links).encrypt(b"\1x", [b"\3" + bytes(16)])), "authenticationFailed"),
    ("no marker", b64(AESSIV(links).encrypt(b"xx", [b"\1" + bytes(16)])), "damaged"), ("empty target", b64(AESSIV(links).encrypt(b"\1", [b"\1" + bytes(16)])), "damaged")):
    refused.append({"kind": "link", "what": what, "text": t, "error": error})
good = vault_json("hint", {ROOT: KEY_ID})
head, policy, tag = good.splitlines(keepends=True)


def signed(body):
    return body + '{"tag":"' + hmac.new(derive(VAULT_KEY, "vault.json"), body.encode(), "sha256").hexdigest() + '"}\n'


for what, t, error in (
    ("emptied", "", "vaultFileDamaged"), ("clean changed", good.replace("true", "false"), "authenticationFailed"), ("policy removed", head + tag, "authenticationFailed"),
    ("hint changed", good.replace(":\"hint\"", ":\"hinu\""), "authenticationFailed"),
    ("key changed", good.replace(KEY_ID.hex(), KEYSTORE_ID.hex()), "authenticationFailed"), ("tag changed", good[:-5] + ("0" if good[-5] != "0" else "1") + good[-4:], "authenticationFailed"),
    ("tag in capitals", head + policy + tag.upper(), "vaultFileDamaged"), ("cut by one", good[:-1], "vaultFileDamaged"), ("cut before the tag", head + policy, "vaultFileDamaged"),
    ("only the tag", tag, "vaultFileDamaged"), ("line behind the tag", good + "\n", "vaultFileDamaged"), ("another vault's tag", vault_json("hint", {ROOT: KEY_ID}, key=DEK), "authenticationFailed"),
    ("unknown feature", vault_json("hint", {}, features=["JOURNAL"]), "vaultUnsupported"), ("newer version", vault_json("hint", {}, version=2), "vaultUnsupported"),
    ("newer and unknown", vault_json("hint", {}, version=3, features=["AAA", "BBB"]), "vaultUnsupported"), ("version 0", vault_json("hint", {}, version=0), "vaultFileDamaged"),
    ("space", signed(head.replace(",", ", ", 1)), "vaultFileDamaged"), ("unknown member", signed(head.replace(',"clean"', ',"more":1,"clean"')), "vaultFileDamaged"),
    ("member twice", signed(head.replace(',"clean"', ',"clean":false,"clean"')), "vaultFileDamaged"), ("member missing", signed(head.replace(',"clean":true', "")), "vaultFileDamaged"),
    ("policy twice", signed(head + policy + policy), "vaultFileDamaged"), ("policies out of order", signed(head + '{"directory":"' + SUB.hex() + '","key":"' + KEY_ID.hex() + '"}\n' + policy), "vaultFileDamaged"),
    ("empty line", signed(head + "\n" + policy), "vaultFileDamaged"), ("short id", signed(head.replace(ROOT.hex(), ROOT.hex()[2:])), "vaultFileDamaged"),
    ("not JSON", signed("hello\n"), "vaultFileDamaged")):
    refused.append({"kind": "vault", "what": what, "text": t, "error": error})
out["refused"] = refused

path = pathlib.Path(__file__).with_name("format-1.json")
path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
print(path, len(refused), "refusals")
