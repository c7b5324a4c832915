"""Where things stand in a vault's file (FORMAT.md), and the small changes that somebody without keys can make to one."""

import os

BLOCK = 4096
HEADER = 512
HEAD = 1024
INLINE_ENTRY = 1024
INLINE_CONTENT = 1056
# fields of the header, by their offsets: name -> bytes to flip
HEADER_FIELDS = {"magic": (0, 7), "version": (8, 9), "flags": (10, 11), "file id": (12, 27), "length of the wrapped key": (28, 29), "zeros": (200, 511)}
STATE_FIELDS = {"nonce": (512, 523), "sealed state": (524, 540, 555), "tag": (556, 571), "zeros": (572, 1023)}
ENTRY_FIELDS = {"nonce": (0, 11), "tag": (12, 27), "length": (28, 29), "salt": (30, 31)}
WRAPPED = 30


def place(block):
    """Offset of a block in the stored file."""
    group, number = (block + 16) >> 6, (block + 16) & 63
    return (65 * group + number - 15) * BLOCK


def slot(block):
    """Offset of a block's slot."""
    group, number = (block + 16) >> 6, (block + 16) & 63
    return 64 * number if group == 0 else (65 * group - 16) * BLOCK + 64 * number


def stored_length(size):
    """Length of the stored file of `size` plain bytes in blocks."""
    last = (size - 1) >> 12
    return place(last) + size - last * BLOCK


def flip(path, offset, mask=0x40):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def put(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def take(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def swap(path, one, other, length):
    first, second = take(path, one, length), take(path, other, length)
    put(path, one, second)
    put(path, other, first)


def extend(path, data):
    with open(path, "ab") as file:
        file.write(data)


def cut(path, length):
    os.truncate(path, length)


def replace(path, data):
    """New content in the same inode."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(data)
