"""What programs do where a journal could lose something: each workload is one way for records and changes in place to get in each other's way."""

from workloads import BLOCK, text


def bypass(history, choice):
    """fsync of an append that bypassed the journal, between overwrites that went through it."""
    file, size = history.create("appended"), 6 * BLOCK
    history.write(file, 0, text(choice, size))
    history.fsync(file)
    for _ in range(15):
        if choice.random() < 0.6:
            history.write(file, choice.randrange(size), text(choice, choice.choice([1, 300, BLOCK])))
            size = max(size, history.size(file))
        more = text(choice, choice.choice([BLOCK, BLOCK, 3 * BLOCK, 20, 40 * BLOCK]))
        history.write(file, size, more)
        size += len(more)
        if choice.random() < 0.3:
            history.write(file, size - len(more), text(choice, min(100, len(more))))
        history.fsync(file)
        if choice.random() < 0.5:
            history.write(file, choice.randrange(size // BLOCK) * BLOCK, text(choice, 2000))


def cut_append(history, choice):
    """Overwrite, cut, append again, fsync: with the cut inside a block, at its edge, in a slot page's reach, and to nothing."""
    for number in range(4):
        file = history.create(f"cut {number}")
        size = choice.choice([2 * BLOCK + 50, 49 * BLOCK, 60 * BLOCK + 1])
        history.write(file, 0, text(choice, size))
        history.fsync(file)
        for _ in range(4):
            history.write(file, choice.randrange(size), text(choice, choice.choice([20, BLOCK, 2 * BLOCK])))
            if choice.random() < 0.3:
                history.fsync(file)
            size = choice.choice([history.size(file) - 7, size // 2, size // BLOCK * BLOCK, 48 * BLOCK, 47 * BLOCK + 3, 1, 0])
            size = max(0, min(size, history.size(file)))
            history.truncate(file, size)
            if choice.random() < 0.3:
                history.fsync(file)
            more = text(choice, choice.choice([30, BLOCK, 5 * BLOCK, 50 * BLOCK]))
            at = size + choice.choice([0, 0, 0, 10, BLOCK])
            history.write(file, at, more)
            size = at + len(more)
            if choice.random() < 0.8:
                history.fsync(file)


def inline_growth(history, choice):
    """Small files, synced, that grow into blocks by a write or a cut, with and without fsync, and become small again."""
    for number in range(6):
        file = history.create(f"small {number}")
        history.write(file, 0, text(choice, choice.choice([1, 700, 3039, 3040])))
        history.fsync(file)
        for _ in range(3):
            size, mood = history.size(file), choice.random()
            if mood < 0.35:
                history.write(file, size, text(choice, choice.choice([1, 3000, BLOCK, 50 * BLOCK])))
            elif mood < 0.5:
                history.truncate(file, choice.choice([3041, 5000, 300000]))
            elif mood < 0.65:
                history.write(file, choice.choice([0, 3000, 9000]), text(choice, 200))
            elif mood < 0.8:
                history.truncate(file, choice.choice([0, 100, 3040]))
            else:
                history.write(file, 0, text(choice, min(size, 600)))
            if choice.random() < 0.6:
                history.fsync(file)


def rewrite(history, choice):
    """A file cut to nothing, written anew, synced and renamed, as careless editors do; its old name is used again."""
    for number in range(5):
        for name in ("draft", "other"):
            if name not in history.known():
                file = history.create(name)
                history.write(file, 0, text(choice, choice.choice([40, 3000, 10000, 200000])))
                history.fsync(file)
                if choice.random() < 0.5:
                    history.sync_names()
        for name in choice.sample(["draft", "other"], 2):
            file = history.known()[name]
            if choice.random() < 0.5:
                history.write(file, 5, text(choice, 30))
            history.truncate(file, 0)
            if choice.random() < 0.3:
                history.fsync(file)
            history.write(file, 0, text(choice, choice.choice([40, 3000, 10000])))
            if choice.random() < 0.8:
                history.fsync(file)
        history.rename("draft", choice.choice([f"final {number}", "other", "final"]))
        if choice.random() < 0.5:
            history.sync_names()
        if choice.random() < 0.5:
            file = history.create("draft")
            if choice.random() < 0.5:
                history.fsync(file)


def reborn(history, choice):
    """Files with records in the journal are removed, and others get their names: empty, small, or large; nothing of the old ones may be in them."""
    for number in range(12):
        file = history.create("name")
        history.write(file, 0, text(choice, choice.choice([100, 3000, 9000])))
        history.fsync(file)
        history.write(file, choice.choice([0, 50]), text(choice, 40))
        if choice.random() < 0.3:
            history.truncate(file, 0)
            history.write(file, 0, text(choice, choice.choice([30, 5000])))
        if choice.random() < 0.8:
            history.fsync(file)
        if choice.random() < 0.5:
            history.close(file)
        mood = choice.random()
        if mood < 0.5:
            history.unlink("name")
        else:
            history.rename("name", f"moved {number}")
        new = history.create("name")
        if choice.random() < 0.3:
            history.write(new, 0, text(choice, choice.choice([10, 5000])))
        if choice.random() < 0.5:
            history.fsync(new)
        if choice.random() < 0.5:
            history.sync_names()
        history.rename("name", f"new {number}") if choice.random() < 0.5 else history.unlink("name")


def punched(history, choice):
    """Holes in files with synced blocks: punched, written, punched again, with a tail inside a hole."""
    file, size = history.create("punched"), 52 * BLOCK + 900
    history.write(file, 0, text(choice, size))
    history.fsync(file)
    for _ in range(15):
        begin = choice.choice([0, 47 * BLOCK, 48 * BLOCK, size // BLOCK * BLOCK, choice.randrange(size)])
        history.punch(file, begin, choice.choice([BLOCK, 2 * BLOCK, 3000, 60 * BLOCK]))
        if choice.random() < 0.3:
            history.fsync(file)
        if choice.random() < 0.7:
            history.write(file, choice.choice([begin, choice.randrange(size)]), text(choice, choice.choice([10, BLOCK, 9000])))
        if choice.random() < 0.2:
            history.write(file, history.size(file), text(choice, 700))
        if choice.random() < 0.6:
            history.fsync(file)


def refilled(history, choice):
    """Holes past what was synced, in a file with records, filled again before anything is synced."""
    for number in range(3):
        file, size = history.create(f"refilled {number}"), 10 * BLOCK
        history.write(file, 0, text(choice, size))
        history.fsync(file)
        for _ in range(4):
            history.write(file, choice.randrange(size), text(choice, choice.choice([20, BLOCK])))
            grown = size + choice.choice([70, 130]) * BLOCK
            history.write(file, size, text(choice, grown - size))
            begin = choice.randrange(max(size, 50 * BLOCK), grown - 3 * BLOCK) // BLOCK * BLOCK
            history.punch(file, begin, choice.choice([BLOCK, 3 * BLOCK, 40 * BLOCK]))
            if choice.random() < 0.2:
                history.fsync(file)
            history.write(file, begin, text(choice, choice.choice([BLOCK, 2 * BLOCK, 5000])))
            if choice.random() < 0.8:
                history.fsync(file)
            size = history.size(file)


def unattributed(history, choice):
    """Empty files that have a header for the sake of attributes, which are removed before anything is written."""
    for number in range(12):
        file = history.create(f"plain again {number}")
        if choice.random() < 0.3:
            history.write(file, 0, text(choice, choice.choice([100, 9000])))
        history.set_attribute(file, "user.kind", b"value")
        if choice.random() < 0.5:
            history.truncate(file, 0)
        if choice.random() < 0.8:
            history.fsync(file)
        history.remove_attribute(file, "user.kind")
        if choice.random() < 0.3:
            history.fsync(file)
        history.write(file, 0, text(choice, choice.choice([100, 2000, 9000])))
        if choice.random() < 0.8:
            history.fsync(file)


def many(history, choice):
    """Many files of which each has records, synced in turns: more than one journal file holds, if that is small."""
    files = []
    for number in range(12):
        file = history.create(f"file {number}")
        history.write(file, 0, text(choice, choice.choice([2000, 20 * BLOCK])))
        files.append(file)
    for file in files:
        history.fsync(file)
    for _ in range(120):
        file = choice.choice(files)
        size = history.size(file)
        history.write(file, choice.randrange(size), text(choice, choice.choice([10, 500, min(size, 6 * BLOCK)])))
        if choice.random() < 0.5:
            history.fsync(choice.choice(files))


JOURNAL_WORKLOADS = {work.__name__.replace("_", "-"): work for work in (bypass, cut_append, inline_growth, rewrite, reborn, punched, refilled, unattributed, many)}
