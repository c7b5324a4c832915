"""FORMAT.md sections 5.1 and 5.2: a file's header and state record."""

from .layout import SECTOR
from .primitives import Unfinished, gcm_open, require, u16, u32, u64

MAGIC = b"ENVELOPE"
VERSION = 1
WRAPPED_MAX = 448
ASSOCIATED = 28
INLINE = 1


class Header:
    """Bytes 0 to 511."""

    def __init__(self, sector):
        require(len(sector) == SECTOR, "the header is cut")
        if not any(sector):
            raise Unfinished("the file's first write was never finished")
        require(sector[:8] == MAGIC, "no magic: not a file of EnvelopeFS")
        version = u16(sector, 8)
        require(version == VERSION, f"the file is of version {version}; this program knows {VERSION}")
        flags = u16(sector, 10)
        require(flags & ~INLINE == 0, f"unknown header flags {flags:#06x}")
        n = u16(sector, 28)
        require(1 <= n <= WRAPPED_MAX, f"a wrapped key of {n} bytes")
        require(not any(sector[30 + n:]), "bytes behind the wrapped key are not zero")
        self.is_inline = bool(flags & INLINE)
        self.file_id = sector[12:28]
        self.wrapped_key = sector[30:30 + n]
        self.associated = sector[:ASSOCIATED]


class State:
    """Bytes 512 to 1023, opened with the key of the state."""

    OPEN, SPARSE, RECOVER, UNFINISHED = 1, 2, 4, 8

    def __init__(self, sector, header, key):
        require(len(sector) == SECTOR, "the state record is cut")
        plain = gcm_open(key, sector[:12], sector[12:44], sector[44:60], header.associated, "the state record")
        require(not any(sector[60:]), "bytes behind the state record are not zero")
        flags = u32(plain, 8)
        require(flags & ~15 == 0, f"unknown state flags {flags:#010x}")
        require(not any(plain[20:]), "bytes at the end of the state are not zero")
        self.content_size = u64(plain)
        self.flags = flags
        self.generation = u64(plain, 12)

    @property
    def is_sealed(self):
        """Neither OPEN nor RECOVER: the content size is exact. For a reader the two are the same."""
        return self.flags & (State.OPEN | State.RECOVER) == 0

    @property
    def is_unfinished(self):
        """A power cut may have left what does not open."""
        return bool(self.flags & State.UNFINISHED)

    @property
    def is_sparse(self):
        return bool(self.flags & State.SPARSE)
