"""FORMAT.md section 5.4: where blocks and slots stand, and what a backing length says."""

BLOCK = 4096
SLOT = 64
ENTRY = 32
SECTOR = 512
HEADER_AND_STATE = 1024
INLINE_CONTENT = 1056
INLINE_MAX = 3040
SIZE_MAX = 1 << 62


def block_offset(i):
    """Where block i stands in the backing file."""
    j = i + 16
    g, n = j >> 6, j & 63
    return (65 * g + n - 15) * BLOCK


def slot_offset(i):
    """Where the slot of block i stands in the backing file."""
    j = i + 16
    g, n = j >> 6, j & 63
    return SLOT * n if g == 0 else (65 * g - 16) * BLOCK + SLOT * n


def backing_length(size):
    """The length of a backing file of blocks with *size* bytes of content."""
    i = (size - 1) >> 12
    return block_offset(i) + size - BLOCK * i


def plain_size(length):
    """(size, whether the length ends in a page of slots) for a backing length above 4096."""
    p = (length - 1) >> 12
    g, r = divmod(p + 16, 65)
    if r == 0:
        return BLOCK * (64 * g - 16), True
    return BLOCK * (64 * g + r - 17) + length - BLOCK * p, False
