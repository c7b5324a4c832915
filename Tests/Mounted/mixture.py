"""Every kind of change in any order by one program, until the mount is gone; then what must be there (for crash.py).

A name operation that returned has reached the backing directory, and a kill of the daemon takes nothing from there. Of content, what
was fsynced must read back; of what was written since, each block is one that it has had, or zeros where it was new or was cut: never an error.
"""

import os
import pickle
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "PowerCut"))

from expectation import BLOCK, Expectation, move  # noqa: E402
from history import History  # noqa: E402
from workloads import text  # noqa: E402

EVER = float("inf")
FILES = 8


class Interrupted(History):
    """A history whose last thing may have been done or not."""

    def do(self, kind, work, **more):
        try:
            return super().do(kind, work, **more)
        except OSError:
            self.note(kind, EVER, **more)
            raise


def forever(folder, seed, log):
    """Works until an operation fails, and leaves what it has done in the file `log`."""
    history, choice = Interrupted(folder), random.Random(seed)
    try:
        step(history, choice)
        Path(log).write_bytes(b"begun")
        while True:
            step(history, choice)
    except OSError as error:
        print(f"mixture ends: {error}")
    Path(log).write_bytes(pickle.dumps(history.events))


def step(history, choice):
    for event in history.events[history.seen:]:
        move(history.names, event)
    history.seen = len(history.events)
    names = history.names
    files = sorted(path for path, thing in names.items() if isinstance(thing, int))
    directories = [""] + [path + "/" for path, thing in names.items() if thing == "directory"]
    mood = choice.random()
    new = f"{choice.choice(directories)}{len(history.events)}" + (" long" * 40 if choice.random() < 0.1 else "")
    if len(files) < 3 or mood < 0.06 and len(files) < FILES:
        return history.create(new)
    path = choice.choice(files)
    if mood < 0.1 and len(directories) < 5:
        return history.mkdir(new)
    if mood < 0.15:
        return history.rename(path, new)
    if mood < 0.19:
        return history.rename(*choice.sample(files, 2)) if not same(names, files) else None
    if mood < 0.21:
        return history.link(path, new)
    if mood < 0.22:
        return history.symlink("to nowhere", new)
    if mood < 0.27:
        return history.unlink(path)
    thing = names[path]
    if thing not in history.files:
        return history.reopen(thing, path)
    change(history, choice, thing)


def same(names, files):
    """Whether any two names are of one file: a rename of one over the other does nothing."""
    return len({names[path] for path in files}) < len(files)


def change(history, choice, thing):
    size, mood = os.fstat(history.files[thing]).st_size, choice.random()
    count = choice.choice([1, 60, 700, 3000, 4096, 12288, 70000])
    if mood < 0.3 and size < 1 << 20:
        history.write(thing, size, text(choice, count))
    elif mood < 0.55:
        history.write(thing, choice.randrange(min(size, 1 << 20) + 1), text(choice, count))
    elif mood < 0.65:
        history.write(thing, choice.randrange(size // BLOCK + 1) * BLOCK, text(choice, BLOCK * choice.randint(1, 5)))
    elif mood < 0.75:
        history.truncate(thing, choice.choice([0, size // 2, max(0, size - 10), size + 1, min(size + 100000, 1 << 20)]))
    elif mood < 0.8 and size > 0:
        place = choice.randrange(size)
        history.punch(thing, place, count)
        if choice.random() < 0.5:
            history.write(thing, place, text(choice, choice.choice([700, 9000])))
    elif mood < 0.95:
        history.fsync(thing)
    elif len(history.files) > 2:
        history.close(thing)


class Reader:
    """A file as the mount gives it; an error of reading is a refusal."""

    def __init__(self, path):
        self.refusal, self.blocks, self.size = None, {}, 0
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
            self.size = len(data)
            self.blocks = {number: data[number * BLOCK:(number + 1) * BLOCK] for number in range((self.size + BLOCK - 1) // BLOCK)}
        except OSError as error:
            self.refusal = str(error)


def tree(folder):
    found = {}
    for base, directories, files in os.walk(folder):
        for name in directories + files:
            path = os.path.join(base, name)
            plain = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[plain] = ("link", os.readlink(path).encode())
            else:
                found[plain] = "directory" if os.path.isdir(path) else Reader(path)
    return found


def judge(folder, log):
    """What is wrong after the kill, as texts, and how many operations there were."""
    events = pickle.loads(Path(log).read_bytes())
    done = [event for event in events if event.ended != EVER]
    expected = Expectation(events, EVER, certain=len(done) - 1)
    found = tree(folder)
    wrong = expected.judge(found, "journal")
    for path, reader in found.items():
        if isinstance(reader, Reader) and reader.refusal:
            wrong.append(f"{path}: {reader.refusal}")
    names = {}
    for event in done:
        move(names, event)
    unexpected = set(found) - set(names) - {name for event in events[len(done):] for name in (event.path, event.to)}
    moved = tuple(event.to + "/" for event in events[len(done):] if event.kind == "rename")
    wrong += [f"{path}: nobody has made it" for path in unexpected if not path.startswith(moved or ("\0",))]
    return wrong, len(done)
