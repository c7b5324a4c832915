"""FORMAT.md sections 5, 5.3 and 5.5: the content of one backing file."""

from .header import Header, State
from .keys import FileKeys
from .layout import (BLOCK, ENTRY, HEADER_AND_STATE, INLINE_CONTENT, INLINE_MAX, SECTOR, SIZE_MAX, SLOT,
                     block_offset, plain_size, slot_offset)
from .primitives import Refused, Unfinished, gcm_open, require, u16

INLINE_INDEX = (1 << 64) - 1


class Entry:
    """32 bytes that open one sealed block, or the inline content."""

    def __init__(self, data):
        self.nonce = data[:12]
        self.tag = data[12:28]
        self.length = u16(data, 28)
        self.salt = u16(data, 30)

    def open(self, key, file_id, index, sealed, what):
        associated = (file_id + index.to_bytes(8, "little") + self.length.to_bytes(2, "little")
                      + self.salt.to_bytes(2, "little"))
        return gcm_open(key, self.nonce, sealed, self.tag, associated, what)


class Content:
    """Reads one file. *backing* has its `length` and `read(offset, count)`, *unwrap(wrapped, file id)* gives its data key.

    After construction `size` is known and everything but the blocks is authenticated; a file that must be refused as a whole throws here.
    """

    def __init__(self, backing, unwrap):
        self._read = backing.read
        self.header = self.state = self._inline = None
        self._slots_at, self._slots = None, b""
        self.length = backing.length
        self.size = 0
        if self.length == 0:
            return
        require(self.length >= HEADER_AND_STATE, f"a backing file of {self.length} bytes is damaged")
        first = self._read(0, HEADER_AND_STATE)
        self.header = Header(first[:SECTOR])
        self._keys = FileKeys(unwrap(self.header.wrapped_key, self.header.file_id))
        self.state = State(first[SECTOR:], self.header, self._keys.state)
        if self.length == HEADER_AND_STATE:
            require(not self.state.is_sealed or self.state.content_size == 0, "a sealed file lost its content")
        elif self.header.is_inline:
            self._inline = self._open_inline()
            self.size = len(self._inline)
        elif self.state.is_sealed and self.state.content_size == 0:
            pass  # what is behind an empty file's header is not part of it
        elif self.length <= BLOCK:
            require(not self.state.is_sealed, "a sealed file lost its blocks")
        else:
            self._measure()

    @property
    def form(self):
        if self.header is None or self.size == 0:
            return "empty"
        return "inline" if self._inline is not None else "blocks"

    @property
    def file_id(self):
        return self.header.file_id if self.header else None

    # inline files, 5.3

    def _open_inline(self):
        require(self.length > INLINE_CONTENT, "an inline file without content")
        entry = Entry(self._read(HEADER_AND_STATE, ENTRY))
        require(1 <= entry.length <= INLINE_MAX, f"an inline entry of {entry.length} bytes")
        require(INLINE_CONTENT + entry.length <= self.length, "the inline content is cut")
        require(not self.state.is_sealed or self.state.content_size == entry.length,
                "the inline content has another size than the state")
        sealed = self._read(INLINE_CONTENT, entry.length)
        return entry.open(self._keys.inline(entry.salt), self.header.file_id, INLINE_INDEX, sealed, "the inline content")

    # blocks, 5.4 and 5.5

    def _measure(self):
        """The size: from the length, compared with the state or, in an unsealed file, cut to what opens."""
        self.size, ends_in_slots = plain_size(self.length)
        require(self.size <= SIZE_MAX, "the file is longer than the format allows")
        if self.state.is_sealed:
            require(not ends_in_slots, "a sealed file that ends in a page of slots")
            require(self.size == self.state.content_size,
                    f"a sealed file of {self.state.content_size} bytes whose length says {self.size}")
            return
        last = (self.size - 1) >> 12
        i = last
        while i >= 0:
            slot = self._slot(i)
            if not any(slot):
                break
            _, entry = self._try_entries(i, slot)
            if entry is not None or self._was_never_written(i, slot):
                break
            i -= 1
        if i < last:
            self.size = BLOCK * i + (entry.length if i >= 0 and any(slot) and entry is not None else BLOCK)

    def extents(self):
        """Yields (offset, bytes or None for a hole, Refused or None) over the whole content, in order."""
        if self._inline is not None:
            yield 0, self._inline, None
            return
        for i in range((self.size + BLOCK - 1) // BLOCK):
            width = min(BLOCK, self.size - BLOCK * i)
            try:
                block = self.block(i)
                yield BLOCK * i, None if block is None else block[:width], None
            except Refused as refusal:
                yield BLOCK * i, None, refusal

    def block(self, i):
        """Block i filled with zeros to 4096 bytes, None for a hole; throws if it must be refused."""
        slot = self._slot(i)
        if not any(slot):
            require(not self.state.is_sealed or self.state.is_sparse, f"block {i} is a hole in a file without holes")
            return None
        plain, _ = self._try_entries(i, slot)
        if plain is not None:
            return plain.ljust(BLOCK, b"\0")
        require(Entry(slot[:ENTRY]).length != 0, f"block {i} has an entry of 0 bytes")
        if not self.state.is_sealed and self._was_never_written(i, slot):
            return None
        if self.state.is_unfinished or not self.state.is_sealed:
            raise Unfinished(f"block {i} does not open; a power cut may have left it so")
        raise Refused(f"block {i} does not open")

    def _was_never_written(self, i, slot):
        """Whether a first write did not get to the block (unsealed files)."""
        current, previous = Entry(slot[:ENTRY]), Entry(slot[ENTRY:])
        return current.length != 0 and previous.length == 0 and not any(self._read(block_offset(i), BLOCK))

    def _try_entries(self, i, slot):
        """(plain bytes, entry) of the entry that opens the block, or (None, None)."""
        current, previous = Entry(slot[:ENTRY]), Entry(slot[ENTRY:])
        if current.length == 0:
            return None, None
        for entry in (current,) if self.state.is_sealed else (current, previous):
            if not 1 <= entry.length <= BLOCK:
                continue
            sealed = self._read(block_offset(i), entry.length)
            if len(sealed) < entry.length:
                continue
            try:
                key = self._keys.block(entry.salt)
                return entry.open(key, self.header.file_id, i, sealed, f"block {i}"), entry
            except Refused:
                continue
        return None, None

    def _slot(self, i):
        """The slot of block i, from a page that is read once for its 64 blocks."""
        at = slot_offset(i)
        page = at & ~(BLOCK - 1)
        if self._slots_at != page:
            self._slots_at, self._slots = page, self._read(page, BLOCK)
        return self._slots[at - page:at - page + SLOT].ljust(SLOT, b"\0")
