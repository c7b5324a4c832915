"""FORMAT-KEYS.md section 2: the recovery code."""

from .primitives import require

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ALIASES = {"O": "0", "I": "1", "L": "1"}
GROUPS = 8


def check_digit(digits, group):
    """In GF(32), with a root of x^5 + x^2 + 1."""
    c = 0
    for digit in digits:
        c = (c ^ digit) << 1
        if c >= 32:
            c ^= 0x25
    return c ^ group


def read(text):
    """The 25 bytes of a code as people type it."""
    digits = []
    for character in text.upper():
        if character == "-" or character.isspace():
            continue
        character = ALIASES.get(character, character)
        require(character in DIGITS, f"{character!r} is no digit of a recovery code")
        digits.append(DIGITS.index(character))
    require(len(digits) == 6 * GROUPS, f"a recovery code has {6 * GROUPS} digits, not {len(digits)}")
    number = 0
    for group in range(GROUPS):
        *five, check = digits[6 * group:6 * group + 6]
        require(check_digit(five, group) == check, f"group {group + 1} of the recovery code has a mistake")
        for digit in five:
            number = number << 5 | digit
    return number.to_bytes(25, "big")


def write(data):
    """The text of 25 bytes."""
    number = int.from_bytes(data, "big")
    digits = [number >> 5 * (39 - i) & 31 for i in range(40)]
    groups = [digits[5 * g:5 * g + 5] + [check_digit(digits[5 * g:5 * g + 5], g)] for g in range(GROUPS)]
    return "-".join("".join(DIGITS[d] for d in group) for group in groups)
