#!/usr/bin/env python3
"""Reference of Docs/FORMAT-KEYS.md, written from it alone: makes and checks the vectors, opens a keystore, unwraps.

  keys_reference.py make                               writes wrapped-keys.json, two-keys.json, keystore.json and safe.json beside this file
  keys_reference.py check                              recomputes them, opens keystore-v1.db, exit 1 at any difference
  keys_reference.py unwrap DB PASSPHRASE BLOBHEX k=v…  opens a keystore, checks every row, prints what a blob wraps
"""
import hashlib, hmac, json, os, sqlite3, struct, sys, uuid
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = os.path.dirname(os.path.abspath(__file__))

def hkdf(key, salt, info, count):
    prk = hmac.new(salt or b"\0" * 64, key, hashlib.sha512).digest()
    out, block, i = b"", b"", 1
    while len(out) < count:
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha512).digest()
        out += block
        i += 1
    return out[:count]

def context_bytes(pairs):
    pairs = sorted((k.encode(), v.encode()) for k, v in pairs)
    out = struct.pack("<I", len(pairs))
    for k, v in pairs:
        out += struct.pack("<I", len(k)) + k + struct.pack("<I", len(v)) + v
    return out

def wrap(material, key_id, version, salt, pairs, plain):
    name = key_id + struct.pack("<I", version)
    derived = hkdf(material, salt, b"EnvelopeFS wrapped key 1" + name, 64)
    header = b"\x01\x01" + name + salt + derived[32:]
    return header + AESGCM(derived[:32]).encrypt(b"\0" * 12, plain, header + context_bytes(pairs))

def unwrap(material, blob, pairs):
    assert blob[:2] == b"\x01\x01"
    header, salt, commitment = blob[:86], blob[22:54], blob[54:86]
    derived = hkdf(material, salt, b"EnvelopeFS wrapped key 1" + blob[2:22], 64)
    assert hmac.compare_digest(derived[32:], commitment)
    return AESGCM(derived[:32]).decrypt(b"\0" * 12, blob[86:], header + context_bytes(pairs))

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

def recovery_text(secret):
    bits = int.from_bytes(secret, "big")
    digits = [bits >> (5 * (39 - i)) & 31 for i in range(40)]
    groups = []
    for g in range(8):
        check = 0
        for d in digits[5 * g:5 * g + 5]:
            check = (check ^ d) << 1
            if check & 32: check ^= 0x25
        groups.append("".join(ALPHABET[d] for d in digits[5 * g:5 * g + 5]) + ALPHABET[check ^ g])
    return "-".join(groups)

def slot_keys(kind, secret, salt, scrypt):
    if scrypt:
        n, r, p = scrypt
        secret = hashlib.scrypt(secret, salt=salt, n=1 << n, r=r, p=p, maxmem=(128 * r << n) + 1024 * r * (p + 2) + 65536, dklen=32)
    derived = hkdf(secret, salt, b"EnvelopeFS unlock slot 1" + kind.encode(), 64)
    return derived[:32], derived[32:]

def seal_slot(kind, secret, salt, scrypt, root):
    key, commitment = slot_keys(kind, secret, salt, scrypt)
    return commitment, AESGCM(key).encrypt(b"\0" * 12, root, b"EnvelopeFS unlock slot 1" + kind.encode())

def row_mac(key, name, values):
    m = b"EnvelopeFS row 1" + struct.pack("<I", len(name.encode())) + name.encode() + struct.pack("<I", len(values))
    for v in values:
        if v is None: m += b"\0"
        elif isinstance(v, int): m += b"\1" + struct.pack("<q", v)
        elif isinstance(v, str): m += b"\2" + struct.pack("<I", len(v.encode())) + v.encode()
        else: m += b"\3" + struct.pack("<I", len(v)) + v
    return hmac.new(key, m, hashlib.sha256).digest()

TABLES = [
    ("unlock_slot", "slot,kind,created_at,scrypt_log_n,scrypt_r,scrypt_p,salt,commitment,sealed_root_key", 1),
    ("cmk", "key_id,state,description,created_at,state_changed_at,current_version", 1),
    ("cmk_version", "key_id,version,created_at,nonce,sealed_material", 2),
    ("alias", "name,key_id,created_at", 1),
    ("tag", "key_id,name,value", 2),
]

def row_name(table, values, keys):
    return "/".join([table] + [str(uuid.UUID(bytes=v)) if isinstance(v, bytes) else str(v) for v in values[:keys]])

def open_keystore(path, passphrase, options=""):
    db = sqlite3.connect(f"file:{path}?mode=ro{options}", uri=True)
    root = None
    for kind, n, r, p, salt, commitment, sealed in db.execute(
            "SELECT kind, scrypt_log_n, scrypt_r, scrypt_p, salt, commitment, sealed_root_key FROM unlock_slot WHERE kind = 'passphrase'"):
        key, mine = slot_keys(kind, passphrase, salt, (n, r, p))
        if hmac.compare_digest(mine, commitment):
            root = AESGCM(key).decrypt(b"\0" * 12, sealed, b"EnvelopeFS unlock slot 1" + kind.encode())
    assert root, "wrong passphrase"
    sealing = hkdf(root, b"", b"EnvelopeFS key sealing 1", 32)
    rows = hkdf(root, b"", b"EnvelopeFS row authentication 1", 32)
    macs = dict(db.execute("SELECT name, mac FROM row_mac"))
    digest = hashlib.sha256(b"".join(macs[n] for n in sorted(macs, key=str.encode))).digest()
    head = db.execute("SELECT id,schema_version,keystore_id,created_at,generation,row_count,digest,mac FROM keystore").fetchone()
    assert row_mac(rows, "keystore/1", head[:7]) == head[7] and head[5] == len(macs) and head[6] == digest
    for table, columns, keys in TABLES:
        for values in db.execute(f"SELECT {columns} FROM {table}"):
            assert macs.pop(row_name(table, values, keys)) == row_mac(rows, row_name(table, values, keys), values)
    assert not macs
    return {(k, v): AESGCM(sealing).decrypt(nonce, sealed, k + struct.pack("<I", v))
            for k, v, nonce, sealed in db.execute("SELECT key_id, version, nonce, sealed_material FROM cmk_version")}

def counting(start, count): return bytes((start + i) & 255 for i in range(count))

def wrapped_keys():
    file = [["purpose", "file"], ["vault-id", "000102030405060708090a0b0c0d0e0f"], ["file-id", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"]]
    cases = [
        ("the worked example of FORMAT-KEYS.md: a file's data key", counting(0, 32), uuid.UUID("0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0").bytes, 1, counting(0x40, 32), file, counting(0x80, 32)),
        ("no context, one byte, a high version", counting(7, 32), counting(0xA0, 16), 0xDEADBEEF, counting(3, 32), [], b"\x2a"),
        ("names that sort by bytes and not by letters, an empty value, text beyond ASCII", counting(1, 32), counting(0x11, 16), 2, counting(9, 32), [["é", "1"], ["z", ""], ["Z", "ü"], ["zz", "3"]], counting(0, 100)),
        ("the greatest plaintext", counting(2, 32), counting(0x22, 16), 3, counting(5, 32), [["purpose", "secret"]], counting(0, 4096)),
    ]
    return [dict(comment=c, material=m.hex(), keyID=str(uuid.UUID(bytes=k)), version=v, salt=s.hex(), context=p, plaintext=t.hex(), wrapped=wrap(m, k, v, s, p, t).hex())
            for c, m, k, v, s, p, t in cases]

def gf(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1: z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z

def two_keys():
    """A blob of 16 bytes that AES-GCM opens under the one-time keys of two materials: only the commitment refuses the second."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    materials, key_id, version, salt = [counting(0, 32), counting(0x55, 32)], counting(0xC0, 16), 1, counting(0x77, 32)
    name = key_id + struct.pack("<I", version)
    derived = [hkdf(m, salt, b"EnvelopeFS wrapped key 1" + name, 64) for m in materials]
    header = b"\x01\x01" + name + salt + derived[0][32:]
    aad = header + context_bytes([])
    number = lambda b: int.from_bytes(b, "big")
    lengths = number(struct.pack(">QQ", 8 * len(aad), 128))
    squares, rests = [], []
    for d in derived:
        aes = Cipher(algorithms.AES(d[:32]), modes.ECB()).encryptor()
        h, mask = number(aes.update(b"\0" * 16)), number(aes.update(b"\0" * 15 + b"\1"))
        y = 0
        for i in range(0, len(aad), 16): y = gf(y ^ number(aad[i:i + 16].ljust(16, b"\0")), h)
        h2 = gf(h, h)
        squares.append(h2)
        rests.append(gf(y, h2) ^ gf(lengths, h) ^ mask)
    base = squares[0] ^ squares[1]
    inverse = 1 << 127  # one; base^(2^128 - 2) by squaring
    for _ in range(127): inverse = gf(gf(inverse, inverse), base)
    inverse = gf(inverse, inverse)
    block = gf(rests[0] ^ rests[1], inverse)
    tag = gf(block, squares[0]) ^ rests[0]
    sealed = block.to_bytes(16, "big") + tag.to_bytes(16, "big")
    plains = [AESGCM(d[:32]).decrypt(b"\0" * 12, sealed, aad).hex() for d in derived]  # both open: the attack works on GCM
    return dict(materials=[m.hex() for m in materials], plaintexts=plains, wrapped=(header + sealed).hex())

def keystore():
    root, salt, recovery = counting(0x20, 32), counting(0x60, 32), counting(0, 25)
    key_id, nonce, material = uuid.UUID("0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0").bytes, counting(0xB0, 12), counting(0, 32)
    scrypt = (14, 8, 1)
    c1, s1 = seal_slot("passphrase", b"correct horse battery staple", salt, scrypt, root)
    c2, s2 = seal_slot("recovery", recovery, salt, None, root)
    sealing = hkdf(root, b"", b"EnvelopeFS key sealing 1", 32)
    rows = hkdf(root, b"", b"EnvelopeFS row authentication 1", 32)
    sealed = AESGCM(sealing).encrypt(nonce, material, key_id + struct.pack("<I", 1))
    name = row_name("cmk_version", (key_id, 1), 2)
    return dict(rootKey=root.hex(), passphrase="correct horse battery staple", salt=salt.hex(), scrypt=list(scrypt),
        passphraseCommitment=c1.hex(), passphraseSealedRootKey=s1.hex(), recovery=recovery.hex(), recoveryText=recovery_text(recovery),
        recoveryCommitment=c2.hex(), recoverySealedRootKey=s2.hex(), sealingKey=sealing.hex(), rowKey=rows.hex(), keyID=str(uuid.UUID(bytes=key_id)),
        version=1, nonce=nonce.hex(), material=material.hex(), sealedMaterial=sealed.hex(), createdAt=1800000000, rowName=name,
        rowMAC=row_mac(rows, name, [key_id, 1, 1800000000, nonce, sealed]).hex())

def padded(plain):
    plain = struct.pack("<I", len(plain)) + plain
    return plain + bytes(-len(plain) % 64)

def texts(*parts): return b"".join(struct.pack("<I", len(part.encode())) + part.encode() for part in parts)

def safe():
    """A password safe with two secrets, as rows of its tables: blobs are hexadecimal, texts there are none."""
    sealing = hkdf(counting(0x20, 32), b"", b"EnvelopeFS key sealing 1", 32)
    safe_key, key_nonce = counting(0xA1, 32), counting(0xC1, 12)
    index, rows, metadata = (hkdf(safe_key, b"", b"EnvelopeFS safe " + label, 32) for label in (b"index 1", b"rows 1", b"metadata 1"))
    key_id, material = uuid.UUID("0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0").bytes, counting(0, 32)
    cases = [
        dict(name="mail", account="me@example.org", description="two\nlines", tags={"url": "https://mail.example.org", "é": "", "Z": "1"}, nonce=counting(1, 12), times=[1800000000, 1800000300, None],
             values=[(1, b"x", counting(0x31, 32), counting(0x41, 32)), (3, b"hunter2 \x00\xff", counting(0x32, 32), counting(0x42, 32))], previous=1, last=4),
        dict(name="schlüssel/60 bytes fill a step", account="", description="", tags={}, nonce=counting(2, 12), times=[1800000001, 1800000002, 1802592002],
             values=[(1, counting(0, 60), counting(0x33, 32), counting(0x43, 32))], previous=None, last=1),
    ]
    secrets, versions, told, buckets = [], [], [], {}
    for case in cases:
        secret_id = hmac.new(index, case["name"].encode(), hashlib.sha256).digest()[:16]
        plain = texts(case["name"], case["account"], case["description"]) + struct.pack("<I", len(case["tags"]))
        for tag in sorted(case["tags"], key=str.encode): plain += texts(tag, case["tags"][tag])
        sealed_metadata = AESGCM(metadata).encrypt(case["nonce"], padded(plain), b"EnvelopeFS safe metadata 1" + secret_id)
        joined = b""
        for version, value, data_key, salt in case["values"]:
            number = struct.pack("<I", version)
            context = [["purpose", "secret"], ["name", case["name"]], ["version", str(version)]]
            sealed = AESGCM(data_key).encrypt(b"\0" * 12, padded(value), b"EnvelopeFS secret value 1" + secret_id + number)
            row = [secret_id, version, case["times"][0], key_id, wrap(material, key_id, 2, salt, context, data_key), sealed]
            mac = row_mac(rows, f"secret_version/{secret_id.hex()}/{version}", row)
            joined += number + mac
            versions.append(row + [mac])
            told.append(dict(name=case["name"], version=version, value=value.hex(), dataKey=data_key.hex(), salt=salt.hex()))
        row = [secret_id, *case["times"], case["values"][-1][0], case["previous"], case["last"], hashlib.sha256(joined).digest(), case["nonce"], sealed_metadata]
        mac = row_mac(rows, "secret/" + secret_id.hex(), row)
        secrets.append(row + [mac])
        bucket = secret_id[0] << 4 | secret_id[1] >> 4
        buckets[bucket] = buckets.get(bucket, []) + [secret_id + mac]
    nodes = [bytearray(2048) for _ in range(64)]
    for bucket, members in buckets.items():
        nodes[bucket // 64][bucket % 64 * 32:bucket % 64 * 32 + 32] = hashlib.sha256(b"".join(sorted(members))).digest()
    digests = b"".join(hashlib.sha256(node).digest() if any(node) else bytes(32) for node in nodes)
    sealed_key = AESGCM(sealing).encrypt(key_nonce, safe_key, b"EnvelopeFS safe key 1")
    shown = lambda table: [[column.hex() if isinstance(column, (bytes, bytearray)) else column for column in row] for row in table]
    return dict(rootKey=counting(0x20, 32).hex(), safeKey=safe_key.hex(), indexKey=index.hex(), rowKey=rows.hex(), metadataKey=metadata.hex(),
        keyID=str(uuid.UUID(bytes=key_id)), keyVersion=2, material=material.hex(),
        known=[dict(name=case["name"], account=case["account"], description=case["description"], tags=case["tags"]) for case in cases], values=told,
        safe=shown([[1, key_nonce, sealed_key, len(secrets), digests]]), secret=shown(secrets), secret_version=shown(versions),
        safe_node=shown([[number, node] for number, node in enumerate(nodes) if any(node)]))

FILES = {"wrapped-keys.json": wrapped_keys, "two-keys.json": two_keys, "keystore.json": keystore, "safe.json": safe}

if sys.argv[1] == "make":
    for name, made in FILES.items():
        json.dump(made(), open(os.path.join(HERE, name), "w"), indent=1, ensure_ascii=False)
elif sys.argv[1] == "check":
    for name, made in FILES.items():
        assert json.load(open(os.path.join(HERE, name))) == made(), name
    for case in wrapped_keys():
        assert unwrap(bytes.fromhex(case["material"]), bytes.fromhex(case["wrapped"]), case["context"]).hex() == case["plaintext"]
    golden = json.load(open(os.path.join(HERE, "keystore-v1.json")))
    materials = open_keystore(os.path.join(HERE, "keystore-v1.db"), golden["passphrase"].encode(), "&immutable=1")  # leaves no -shm behind
    for wrapped, plain in zip(map(bytes.fromhex, golden["wrapped"]), golden["plaintexts"]):
        assert unwrap(materials[(wrapped[2:18], struct.unpack("<I", wrapped[18:22])[0])], wrapped, golden["context"].items()).hex() == plain
    print("all vectors agree")
elif sys.argv[1] == "unwrap":
    blob = bytes.fromhex(sys.argv[4])
    material = open_keystore(sys.argv[2], sys.argv[3].encode())[(blob[2:18], struct.unpack("<I", blob[18:22])[0])]
    print(unwrap(material, blob, [pair.split("=", 1) for pair in sys.argv[5:]]).hex())
else:
    sys.exit(__doc__)
