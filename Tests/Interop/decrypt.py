#!/usr/bin/env python3
"""Decrypts EnvelopeFS vaults without EnvelopeFS. Needs Python 3.9 or newer and the package `cryptography` (38 or newer).

    decrypt.py keystore KEYSTORE                  opens the keystore, lists its keys
    decrypt.py tree --keystore K VAULT OUT        decrypts the whole vault into the directory OUT, which is made
    decrypt.py cat --keystore K VAULT PATH        one file, to standard output
    decrypt.py check --keystore K VAULT           authenticates everything, lists what does not open

The secret: --passphrase-file FILE or --recovery-code-file FILE (`-` is standard input). The vault must not be mounted, or be a copy.
Exit status: 0 everything opened, 1 something did not (named on stderr), 2 nothing could be opened at all.
"""

import argparse
import os
import sys
import uuid

from envelope.keystore import Keystore
from envelope.output import Checker, Writer, copy
from envelope.primitives import Refused, require
from envelope.vault import Vault


def secret(path):
    """The bytes of a file, without the newline at the end."""
    if path == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            data = file.read()
    return data[:-1] if data.endswith(b"\n") else data


def open_keystore(options, path):
    if options.recovery_code_file:
        return Keystore(path, recovery_code=secret(options.recovery_code_file).decode("ascii", "replace"))
    require(options.passphrase_file, "give --passphrase-file or --recovery-code-file")
    return Keystore(path, passphrase=secret(options.passphrase_file))


def open_vault(options):
    return Vault(os.fsencode(options.vault), open_keystore(options, options.keystore))


def keystore(options):
    opened = open_keystore(options, options.keystore_path)
    print(f"keystore {opened.identity.hex()} generation {opened.generation}")
    for cmk in opened.cmks:
        key_id = cmk["key_id"]
        names = sorted(name for name, key in opened.aliases.items() if key == key_id)
        versions = sorted(version for key, version in opened.materials if key == key_id)
        print(uuid.UUID(bytes=key_id), cmk["state"], f"current {cmk['current_version']}", f"versions {versions}", *names)
    return 0


def tree(options):
    vault = open_vault(options)
    os.mkdir(options.out, 0o700)
    writer = Writer(vault, options.out, options.salvage)
    vault.walk(writer)
    writer.close()
    return report(vault)


def check(options):
    vault = open_vault(options)
    checker = Checker(vault)
    vault.walk(checker)
    print(f"vault {vault.file.vault_id.hex()}, left {'clean' if vault.file.clean else 'unclean'}")
    for kind, count in sorted(checker.counts.items()):
        print(f"{kind}: {count}")
    if vault.records:
        print(f"journal: {len(vault.records)} records, which are taken as done")
    for path in checker.unsealed:
        print(f"unsealed: {shown(path)}")
    return report(vault)


def cat(options):
    vault = open_vault(options)
    item, _ = vault.find(os.fsencode(options.path))
    require(item is not None and item.kind == "file", "no regular file")
    content = vault.content(vault.open_file(item))
    status = 0
    end = 0
    for offset, data, refusal in content.extents():
        if refusal is not None:
            print(f"decrypt.py: {refusal}", file=sys.stderr)
            if not options.salvage:
                return 1
            status = 1
        end = min(offset + 4096, content.size)
        sys.stdout.buffer.write(data if data is not None else bytes(end - offset))
    sys.stdout.buffer.flush()
    return status


def shown(path):
    return os.fsdecode(path).encode("unicode_escape").decode()


def report(vault):
    for path, why in vault.foreign:
        print(f"foreign: {shown(path)}: {why}", file=sys.stderr)
    for path, why in vault.problems:
        print(f"refused: {shown(path)}: {why}", file=sys.stderr)
    return 1 if vault.problems else 0


def main():
    secrets = argparse.ArgumentParser(add_help=False)
    secrets.add_argument("--passphrase-file")
    secrets.add_argument("--recovery-code-file")
    vaults = argparse.ArgumentParser(add_help=False)
    vaults.add_argument("--keystore", required=True)
    vaults.add_argument("--salvage", action="store_true", help="blocks that do not open read as zeros")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keystore", parents=[secrets]).add_argument("keystore_path", metavar="KEYSTORE")
    for command, more in ("tree", "out"), ("cat", "path"), ("check", None):
        sub = commands.add_parser(command, parents=[secrets, vaults])
        sub.add_argument("vault", metavar="VAULT")
        if more:
            sub.add_argument(more, metavar=more.upper())
    options = parser.parse_args()
    try:
        return {"keystore": keystore, "tree": tree, "cat": cat, "check": check}[options.command](options)
    except (Refused, OSError) as why:
        print(f"decrypt.py: {why}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
