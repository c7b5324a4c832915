"""FORMAT.md sections 4, 7 and 8: names, targets of symbolic links, extended attributes."""

import hashlib

from .primitives import Foreign, Refused, base64url, from_base64url, require, siv_open, siv_seal

NAME_MAX = 255
TEXT_MAX = 362            # base64url of 16 + 255 bytes
ID_TEXT = 11              # base64url of 8 bytes
HASH_TEXT = 43            # base64url of 32 bytes
ATTRIBUTE_PREFIX = b"user.efs."
ATTRIBUTE_NAME_MAX = 168
TARGET_MAX = 3054
RESERVED = b".envelopefs"


class BackingName:
    """What a backing name says without a key: its form, its text or the text's hash, and a directory's own id."""

    def __init__(self, backing):
        self.backing = backing
        self.own = None
        self.is_side_file = False
        stem = backing
        if b"." in stem:
            stem, _, own = stem.partition(b".")
            try:
                self.own = from_base64url(own)
            except Refused:
                raise Foreign("what follows the dot is no directory id") from None
            if len(own) != ID_TEXT or len(self.own) != 8:
                raise Foreign("what follows the dot is no directory id")
        self.is_long = stem[:1] == b"+"
        if stem[:1] == b"=":
            if self.own is not None:
                raise Foreign("a side file with an id")
            self.is_side_file = True
        if self.is_long or self.is_side_file:
            self.hash = stem[1:]
            try:
                right = len(from_base64url(self.hash)) == 32
            except Refused:
                right = False
            if not right:
                raise Foreign("no hash behind + or =")
            self.text = None
        else:
            self.text = stem
            if len(stem) > NAME_MAX or not set(stem) <= ALPHABET:
                raise Foreign("not in the alphabet of base64url")

    @property
    def is_directory(self):
        return self.own is not None

    def side_name(self):
        return b"=" + self.hash


ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def check_side_text(name, text):
    """A long form's side file must hash to H, and must not fit in the short form."""
    least = NAME_MAX + 1 - (1 + ID_TEXT if name.is_directory else 0)
    require(least <= len(text) <= TEXT_MAX, f"the side file of {len(text)} bytes is none of a long name")
    require(base64url(hashlib.sha256(text).digest()) == name.hash, "the side file does not hash to the name")


def open_name(keys, parent, own, text):
    """The plain name of a text in a directory; *own* is a directory's id, None for anything else."""
    sealed = from_base64url(text)
    require(len(sealed) >= 17, "the sealed name is too short")
    name = siv_open(keys.names, sealed, _name_data(parent, own), "the name")
    require(1 <= len(name) <= NAME_MAX and name not in (b".", b"..") and b"/" not in name and b"\0" not in name,
            "what the name opens to is no name")
    return name


def seal_name(keys, parent, own, name):
    """Backing name, side file's name and content (None for a short form); only the vectors need it."""
    text = base64url(siv_seal(keys.names, name, _name_data(parent, own)))
    suffix = b"." + base64url(own) if own is not None else b""
    if len(text + suffix) <= NAME_MAX:
        return text + suffix, None, None
    digest = base64url(hashlib.sha256(text).digest())
    return b"+" + digest + suffix, b"=" + digest, text


def _name_data(parent, own):
    if own is None:
        return b"\0" + parent + bytes(8)
    return b"\1" + parent + own


def open_target(keys, text):
    """Section 7: the plain target of a symbolic link."""
    plain = siv_open(keys.links, from_base64url(text), b"\1" + bytes(16), "the link's target")
    require(plain[0] == 1, "the link's target is of another version")
    target = plain[1:]
    require(1 <= len(target) <= TARGET_MAX and b"\0" not in target, "what the link opens to is no target")
    return target


def seal_target(keys, target):
    return base64url(siv_seal(keys.links, b"\1" + target, b"\1" + bytes(16)))


def open_attribute_name(keys, sealed_name):
    """Section 8: the plain name, `user.` included."""
    require(sealed_name.startswith(ATTRIBUTE_PREFIX), "an attribute without our prefix")
    sealed = from_base64url(sealed_name[len(ATTRIBUTE_PREFIX):])
    rest = siv_open(keys.attribute_names, sealed, b"\2", "the attribute's name")
    require(1 <= len(rest) <= ATTRIBUTE_NAME_MAX and b"\0" not in rest, "what the attribute opens to is no name")
    return b"user." + rest


def open_attribute_value(keys, object_id, sealed_name, sealed):
    """*object_id*: a file id, or a directory id followed by eight zero bytes."""
    plain = siv_open(keys.attribute_values, sealed, b"\3" + object_id + sealed_name, "the attribute's value")
    require(plain[0] == 1, "the attribute's value is of another version")
    return plain[1:]


def seal_attribute(keys, object_id, name, value):
    """Sealed name and value; only the vectors need it."""
    require(name.startswith(b"user."), "only user. attributes are sealed")
    sealed_name = ATTRIBUTE_PREFIX + base64url(siv_seal(keys.attribute_names, name[5:], b"\2"))
    return sealed_name, siv_seal(keys.attribute_values, b"\1" + value, b"\3" + object_id + sealed_name)
