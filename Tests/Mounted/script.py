"""How test scripts begin and end: the options that they share, and an exit status that says whether something was wrong."""

import argparse
import os
import sys

from vault import Failure


def options(document, as_whom=False, seed=None):
    """A parser of the command line. `document` is the script's own; its first line says what it does."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    if as_whom:
        parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    if seed is not None:
        parser.add_argument("--seed", type=int, default=seed)
    return parser


def run(main):
    """Runs `main`, which returns whether something was wrong, and ends the program."""
    try:
        wrong = main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        wrong = True
    sys.exit(1 if wrong else 0)
