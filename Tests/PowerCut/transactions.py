"""A program with a database: transactions one after another, and on standard output when each began and when it was done.

    transactions.py MODE DIRECTORY SEED        MODE is SQLite's journal_mode
"""

import hashlib
import os
import random
import sqlite3
import sys
import time


def sync_all(folder):
    for base, _, names in os.walk(folder):
        for path in [os.path.join(base, name) for name in names] + [base]:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def transactions(mode, folder, seed):
    choice = random.Random(seed)
    database = sqlite3.connect(os.path.join(folder, "database"), isolation_level=None)
    database.execute(f"PRAGMA journal_mode={mode}")
    # FULL does not sync the directory after a journal is removed: the last transaction could come undone.
    database.execute("PRAGMA synchronous=EXTRA")
    database.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, data BLOB, sum TEXT)")
    database.execute("CREATE TABLE state (k INTEGER PRIMARY KEY, n INTEGER, filler BLOB)")
    for k in range(30):
        database.execute("INSERT INTO state VALUES (?, 0, ?)", (k, choice.randbytes(500)))
    sync_all(folder)
    for number in range(1, 13):
        print("began", number, time.time(), flush=True)
        data = choice.randbytes(choice.choice([10, 3000, 20000]))
        database.execute("BEGIN")
        database.execute("INSERT INTO log VALUES (?, ?, ?)", (number, data, hashlib.sha256(data).hexdigest()))
        database.execute("UPDATE state SET n = ?, filler = ?", (number, choice.randbytes(choice.choice([500, 900]))))
        database.execute("COMMIT")
        print("ended", number, time.time(), flush=True)
        if mode == "WAL" and choice.random() < 0.25:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print("end 0 0", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    transactions(sys.argv[1], sys.argv[2], int(sys.argv[3]))
