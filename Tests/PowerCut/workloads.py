"""What programs do while the power is cut. Each takes a History and a random generator; files are small, calls are few."""

import hashlib
import struct
import time

BLOCK = 4096


def text(choice, count):
    """Bytes that occur nowhere else."""
    seed = struct.pack("<d", choice.random())
    return (b"".join(hashlib.sha256(seed + bytes([part & 255, part >> 8])).digest() for part in range(count // 32 + 1)))[:count]


def log(history, choice):
    """Lines appended and synced one by one, from inline into blocks."""
    file, end = history.create("log"), 0
    for _ in range(30):
        for _ in range(choice.randint(1, 3)):
            line = text(choice, choice.choice([20, 90, 300, 700, 2500]))
            history.write(file, end, line)
            end += len(line)
        history.fsync(file)


def overwrite(history, choice):
    """Blocks of a file overwritten in place, some synced."""
    file = history.create("blocks")
    history.write(file, 0, text(choice, 60 * BLOCK))
    history.fsync(file)
    for _ in range(25):
        for _ in range(choice.randint(1, 3)):
            number, count = choice.randrange(60), choice.choice([BLOCK, BLOCK, 3 * BLOCK, 100])
            history.write(file, number * BLOCK, text(choice, count))
        if choice.random() < 0.7:
            history.fsync(file)


def small(history, choice):
    """Small files written, rewritten in place and grown, with sync."""
    files = [history.create(f"small {number}") for number in range(4)]
    for _ in range(30):
        file = choice.choice(files)
        mood = choice.random()
        if mood < 0.2:
            history.truncate(file, choice.choice([0, 10, 500, 2000]))
        else:
            history.write(file, choice.choice([0, 0, 100, 1000]), text(choice, choice.choice([1, 40, 600, 2000])))
        if choice.random() < 0.6:
            history.fsync(file)


def grow(history, choice):
    """Files that grow from inline into blocks, synced before, between and after."""
    for number in range(8):
        file = history.create(f"grows {number}")
        history.write(file, 0, text(choice, choice.choice([5, 1000, 3040])))
        if choice.random() < 0.8:
            history.fsync(file)
        if choice.random() < 0.3:
            history.truncate(file, choice.choice([4000, 9000, 300000]))
        history.write(file, choice.choice([0, 1000, 3000, 3040, 5000]), text(choice, choice.choice([100, 3000, 9000])))
        if choice.random() < 0.7:
            history.fsync(file)
            history.write(file, 10, text(choice, 200))


def cut(history, choice):
    """Overwrite, cut, append again, sync."""
    file = history.create("cut")
    size = 130 * BLOCK + 77
    history.write(file, 0, text(choice, size))
    history.fsync(file)
    for _ in range(20):
        mood = choice.random()
        if mood < 0.35:
            history.write(file, choice.randrange(size), text(choice, choice.choice([50, 5000])))
        elif mood < 0.65:
            size = max(1, size - choice.choice([10, 300, 4096, 9000, 70000]))
            history.truncate(file, size)
        elif mood < 0.9:
            more = text(choice, choice.choice([60, 4096, 12000]))
            history.write(file, size, more)
            size += len(more)
        else:
            size += choice.choice([100, 50000])
            history.truncate(file, size)
        size = max(size, 1)
        if choice.random() < 0.5:
            history.fsync(file)


def holes(history, choice):
    """Holes punched and filled."""
    file = history.create("holes")
    history.write(file, 0, text(choice, 70 * BLOCK))
    history.fsync(file)
    for _ in range(20):
        begin, count = choice.randrange(70) * BLOCK + choice.choice([0, 0, 100]), choice.choice([BLOCK, 5 * BLOCK, 2000])
        if choice.random() < 0.5:
            history.punch(file, begin, count)
        else:
            history.write(file, begin, text(choice, count))
        if choice.random() < 0.5:
            history.fsync(file)


def names(history, choice):
    """Files and directories made, renamed over each other, linked, removed; names synced now and then."""
    known, directories = [], [""]
    for number in range(40):
        mood = choice.random()
        name = f"{choice.choice(directories)}thing {number}" + (" long" * 40 if choice.random() < 0.2 else "")
        if mood < 0.15:
            history.mkdir(name)
            directories.append(name + "/")
        elif mood < 0.5 or len(known) < 2:
            file = history.create(name)
            history.write(file, 0, text(choice, choice.choice([10, 6000])))
            if choice.random() < 0.7:
                history.fsync(file)
            history.close(file)
            known.append(name)
        elif mood < 0.7:
            old, new = choice.sample(known, 2)
            history.rename(old, new)
            known.remove(old)
        elif mood < 0.8:
            history.link(choice.choice(known), name)
            known.append(name)
        elif mood < 0.9:
            history.symlink("to " + name, name)
        else:
            old = known.pop(choice.randrange(len(known)))
            history.unlink(old)
        if choice.random() < 0.3:
            history.sync_names()


def replace(history, choice):
    """A file replaced by rename of a synced new one, as editors do."""
    for number in range(15):
        file = history.create("new")
        history.write(file, 0, text(choice, choice.choice([30, 2000, 7000])))
        history.fsync(file)
        history.close(file)
        history.rename("new", "replaced")
        if choice.random() < 0.5:
            history.sync_names()


def sealed(history, choice):
    """Files that were closed and sealed, opened again, changed, synced."""
    files = {}
    for number, size in enumerate([900, 3000, 5000, 60000]):
        file = history.create(f"sealed {number}")
        history.write(file, 0, text(choice, size))
        history.fsync(file)
        history.close(file)
        files[file] = size
    time.sleep(3)
    for file, size in files.items():
        history.reopen(file, f"sealed {file}")
        mood = choice.random()
        if mood < 0.4:
            history.write(file, size, text(choice, 100))
        elif mood < 0.8:
            history.write(file, 0, text(choice, 50))
        else:
            history.truncate(file, size - 10)
        if choice.random() < 0.7:
            history.fsync(file)
            history.write(file, size, text(choice, 2000))
        history.close(file)
    time.sleep(3)


def attributes(history, choice):
    """Files with attributes, that keep their id when they are cut to 0 and written anew; some never synced."""
    for number in range(12):
        file = history.create(f"attributed {number}")
        if choice.random() < 0.6:
            history.write(file, 0, text(choice, choice.choice([100, 2000, 9000])))
        history.set_attribute(file, "user.kind", text(choice, 40))
        if choice.random() < 0.6:
            history.fsync(file)
        for _ in range(choice.randint(0, 2)):
            history.truncate(file, 0)
            history.write(file, 0, text(choice, choice.choice([100, 2000, 9000])))
            history.set_attribute(file, f"user.{choice.randrange(3)}", text(choice, 20))
        if choice.random() < 0.4:
            history.fsync(file)
        history.close(file)


def mixed(history, choice):
    """Anything, on a few files."""
    files, sizes = [], {}
    for step in range(60):
        if len(files) < 3 or choice.random() < 0.05:
            file = history.create(f"mixed {step}")
            files.append(file)
            sizes[file] = 0
        file = choice.choice(files)
        size, mood = sizes[file], choice.random()
        if mood < 0.35:
            data = text(choice, choice.choice([10, 500, 3000, 4096, 20000]))
            history.write(file, size, data)
            sizes[file] = size + len(data)
        elif mood < 0.6:
            data, offset = text(choice, choice.choice([10, 4096, 9000])), choice.randrange(size + 1)
            history.write(file, offset, data)
            sizes[file] = max(size, offset + len(data))
        elif mood < 0.75:
            sizes[file] = choice.choice([0, size // 2, max(0, size - 5), size + 3000, size + 200000])
            history.truncate(file, sizes[file])
        elif mood < 0.8 and size > 0:
            history.punch(file, choice.randrange(size), choice.choice([100, 4096, 30000]))
        else:
            history.fsync(file)


WORKLOADS = {work.__name__: work for work in (log, overwrite, small, grow, cut, holes, names, replace, sealed, attributes, mixed)}
