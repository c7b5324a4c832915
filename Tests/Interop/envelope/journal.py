"""FORMAT.md section 10: the records of the redo journal. Which files they change, and how: replay.py."""

from .primitives import Refused, gcm_open, gcm_seal, hkdf, require, u16, u32, u64

FILES = b"journal-0", b"journal-1"
RECORD_MAX = 262144
HEAD, PIECE_HEAD, TAG = 56, 24, 16
RECORD_MIN = HEAD + TAG
WRITE, LENGTH, ZERO = 1, 2, 3
BYTE_MAX = (1 << 63) - 1


def journal_key(vault_key, epoch):
    """The key of the records of one epoch."""
    return hkdf(vault_key, b"EnvelopeFS/1 journal" + epoch.to_bytes(8, "little"), 32)


class Piece:
    """One change of a backing file; `data` is the bytes of a write, else None."""

    def __init__(self, kind, place, count, data=None):
        self.kind, self.place, self.count, self.data = kind, place, count, data

    def __eq__(self, other):
        return vars(self) == vars(other)


class Record:
    """One record, opened; *data* is the whole record and nothing behind it. What is not whole is refused."""

    def __init__(self, data, key):
        require(RECORD_MIN <= len(data) <= RECORD_MAX and u32(data) == len(data), "a record of a wrong length")
        self.sequence = u64(data, 8)
        body = data[:-TAG]
        gcm_open(key, nonce(self.sequence), b"", data[-TAG:], body, "the record")
        self.mtime_ns = int.from_bytes(data[16:24], "little", signed=True) * 10**9 + u32(data, 24)
        self.file_id = data[32:48]
        self.directory = data[48:56]
        length = u16(data, 28)
        require(u32(data, 24) < 10**9, "nanoseconds of a second or more")
        require(length <= 255 and HEAD + length <= len(body), "the record's name is too long")
        require(data[30:32] == bytes(2), "bytes of the record are not zero")
        self.name = data[HEAD:HEAD + length]
        self.pieces = self._read_pieces(body, HEAD + length, u32(data, 4))

    @staticmethod
    def _read_pieces(body, at, count):
        pieces = []
        while at < len(body):
            require(at + PIECE_HEAD <= len(body), "the pieces do not fill the record")
            kind, zero, place, size = u32(body, at), u32(body, at + 4), u64(body, at + 8), u64(body, at + 16)
            at += PIECE_HEAD
            require(kind in (WRITE, LENGTH, ZERO), f"a piece of kind {kind}")
            require(zero == 0, "bytes of the piece are not zero")
            require(place + size <= BYTE_MAX and (kind != LENGTH or size == 0), "a piece of bytes that no file has")
            data = None
            if kind == WRITE:
                require(at + size <= len(body), "the pieces do not fill the record")
                data, at = body[at:at + size], at + size
            pieces.append(Piece(kind, place, size, data))
        require(len(pieces) == count, "the pieces do not fill the record")
        return pieces


def nonce(sequence):
    return sequence.to_bytes(8, "little") + bytes(4)


def read_records(data, key):
    """The records of one journal file, up to the first that is not whole."""
    records, at = [], 0
    while at + RECORD_MIN <= len(data):
        try:
            record = Record(data[at:at + u32(data, at)], key)
        except Refused:
            break
        if records and record.sequence != records[-1].sequence + 1:
            break
        records.append(record)
        at += u32(data, at)
    return records


def join(zero, one):
    """The records that count, of those of both files."""
    if not zero or not one:
        return zero or one
    first, then = (zero, one) if zero[0].sequence <= one[0].sequence else (one, zero)
    return first + then if then[0].sequence == first[-1].sequence + 1 else first


def seal_record(key, sequence, pieces, directory, name, file_id, mtime_ns=0):
    """A whole record; only tests need it."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    body = b"".join(p.kind.to_bytes(4, "little") + bytes(4) + p.place.to_bytes(8, "little") + p.count.to_bytes(8, "little") + (p.data or b"")
                    for p in pieces)
    head = (len(pieces).to_bytes(4, "little") + sequence.to_bytes(8, "little") + seconds.to_bytes(8, "little", signed=True)
            + nanoseconds.to_bytes(4, "little") + len(name).to_bytes(2, "little") + bytes(2) + file_id + directory + name)
    whole = (4 + len(head) + len(body) + TAG).to_bytes(4, "little") + head + body
    return whole + gcm_seal(key, nonce(sequence), b"", whole)[1]
