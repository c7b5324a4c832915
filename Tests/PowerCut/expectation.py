"""What a vault must hold after a power cut (or a kill), by what was done and acknowledged before it.

Three promises. `blocks`, of a vault without a journal: what SECURITY.md says of these. `tails`: as if such a vault kept its growing tails too (it does not).
`journal`: nothing that was fsynced is lost. Of what was done since, each block of 4096 bytes that was synced before is as after some of it, none is an error, and the length
is one of those between. A block that is new since the last fsync may be unreadable, and a file as a whole that was empty since: `torn` tells of them.
"""

BLOCK = 4096
INLINE_MAX = 3040
EVER = 1 << 62


class File:
    """What may be read of one file: `durable` is what the last acknowledged fsync made certain, None without one."""

    def __init__(self, events, moment):
        self.durable, self.touched, content = None, [], b""
        self.versions, self.sizes, self.torn = {}, [0], 0
        self._note(b"")
        for event in events:
            before = content
            content = changed(content, event)
            if event.kind == "fsync":
                if event.ended < moment:
                    self.durable, self.touched, self.versions, self.sizes = content, [], {}, [len(content)]
                    self._note(content)
                continue
            self.sizes.append(len(content))
            if event.kind in ("write", "punch"):
                self.touched.append((event.offset, event.offset + event.count))
            elif event.kind == "truncate":
                self.touched.append((event.offset, EVER))
            self._note(content, before)

    def _note(self, content, before=None):
        """Remembers every block that is another than before."""
        for number in range((max(len(content), len(before or b"")) + BLOCK - 1) // BLOCK):
            now = content[number * BLOCK:(number + 1) * BLOCK].ljust(BLOCK, b"\0")
            if before is None or now != before[number * BLOCK:(number + 1) * BLOCK].ljust(BLOCK, b"\0"):
                self.versions.setdefault(number, []).append(now)

    def safe_blocks(self, promise):
        """How many bytes of `durable` must read back from the start of each block."""
        if self.durable is None:
            return {}
        size = len(self.durable)
        safe = {}
        for number in range((size + BLOCK - 1) // BLOCK):
            low, high = number * BLOCK, min((number + 1) * BLOCK, size)
            # Without a journal the whole block is at stake as soon as any byte of it is written, and a small file as a whole.
            reach = low + BLOCK if promise == "blocks" else high
            touched = [max(low, begin) for begin, end in self.touched if begin < min(reach, end) and end > low]
            if promise == "blocks" and size <= INLINE_MAX and self.touched:
                touched = [low]
            if promise == "tails" and touched and high - low < BLOCK:
                safe[number] = min(touched) - low
            elif not touched:
                safe[number] = high - low
        return {number: count for number, count in safe.items() if count > 0}

    def judge(self, reader, promise):
        """What is wrong with a file: a list of texts. `reader` has `size`, `blocks` {number: bytes or None for refused}, `refusal`."""
        if promise == "journal":
            return self._judge_journalled(reader)
        wrong = []
        safe = self.safe_blocks(promise)
        if reader.refusal is not None:
            if safe or self.durable is not None and not self.touched:
                wrong.append(f"refused as a whole: {reader.refusal}")
            return wrong
        if self.durable is not None and not self.touched and reader.size < len(self.durable):
            wrong.append(f"{reader.size} bytes of {len(self.durable)} that were synced")
        for number, count in sorted(safe.items()):
            expected = self.durable[number * BLOCK:number * BLOCK + count]
            found = reader.blocks.get(number, b"")
            if found is None:
                wrong.append(f"block {number} is refused")
            elif found[:len(expected)] != expected:
                wrong.append(f"block {number} is not what was synced ({len(found)} bytes, {found[:24].hex()})")
        for number, found in reader.blocks.items():
            if found and any(found) and not any(version[:len(found)] == found for version in self.versions.get(number, [])):
                wrong.append(f"block {number} holds what nobody has written ({len(found)} bytes, {found[:24].hex()})")
        return wrong


    def _judge_journalled(self, reader):
        durable = self.durable if self.durable is not None else b""
        if reader.refusal is not None:
            # Of a file that was empty since, all is new, and its first page need not be there.
            self.torn += 1
            return [] if 0 in self.sizes else [f"refused as a whole: {reader.refusal}"]
        wrong = []
        if not min(self.sizes) <= reader.size <= max(self.sizes):
            wrong.append(f"{reader.size} bytes; since the last fsync it had {sorted(set(self.sizes))}")
        for number, found in reader.blocks.items():
            promised = "synced" if number * BLOCK < len(durable) and 0 not in self.sizes else "new"
            if found is None and promised == "new":
                self.torn += 1
            elif found is None:
                wrong.append(f"block {number} is refused")
            elif not any(version[:len(found)] == found for version in self.versions.get(number, [])) and (promised == "synced" or any(found)):
                wrong.append(f"block {number} ({promised}) is none of its {len(self.versions.get(number, []))} versions ({len(found)} bytes, {found[:24].hex()})")
        return wrong


def changed(content, event):
    if event.kind == "write":
        content = content.ljust(event.offset, b"\0")
        return content[:event.offset] + event.data + content[event.offset + event.count:]
    if event.kind == "truncate":
        return content[:event.offset].ljust(event.offset, b"\0")
    if event.kind == "punch":
        end = min(event.offset + event.count, len(content))
        return content[:event.offset] + bytes(max(0, end - event.offset)) + content[end:]
    return content


class Expectation:
    """What must be there after a power cut at `moment`."""

    def __init__(self, events, moment, certain=None):
        """`certain`: the last event whose change of names is; else the last acknowledged sync of names tells."""
        self.events, self.moment = events, moment
        self._files = {}
        acknowledged = [place for place, event in enumerate(events) if event.kind == "names" and event.ended < moment]
        self._certain = certain if certain is not None else acknowledged[-1] if acknowledged else -1

    def file(self, thing):
        if thing not in self._files:
            self._files[thing] = File([event for event in self.events if event.thing == thing], self.moment)
        return self._files[thing]

    @property
    def torn(self):
        """Whether a block that was never synced cannot be read, in the files that were looked at."""
        return any(file.torn for file in self._files.values())

    def judge(self, tree, promise):
        """`tree`: plain path to a reader (file), "directory" or ("link", target). Returns what is wrong."""
        wrong = []
        names, before = {}, {}
        # The names under which each thing may stand.
        ever = {}
        for place, event in enumerate(self.events):
            move(names, event)
            if place >= self._certain:
                if place == self._certain:
                    before = dict(names)
                for path, thing in names.items():
                    ever.setdefault(thing, set()).add(path)
        for path, thing in before.items():
            if names.get(path) == thing and path not in self._moved():
                wrong += self._look(tree, path, thing, promise)
            elif isinstance(thing, int) and thing in names.values():
                # It was renamed, and nobody knows how far that came.
                attempts = [self._look(tree, other, thing, promise) for other in ever[thing]]
                if all(attempts):
                    wrong.append(f"{path}, renamed or not: under no name what it must be: {attempts}")
        # A new file that was fsynced is there, with whatever directories lead to it.
        for event in self.events:
            if event.kind == "fsync" and event.ended < self.moment and event.thing not in before.values() and event.thing in names.values():
                attempts = [self._look(tree, other, event.thing, promise) for other in ever.get(event.thing, ())]
                if all(attempts):
                    wrong.append(f"new file {event.thing}: {attempts}")
        return wrong

    def _moved(self):
        moved = set()
        for event in self.events[self._certain + 1:]:
            if event.kind in ("rename", "unlink"):
                moved |= {event.path, event.to}
        return moved

    def _look(self, tree, path, thing, promise):
        found = tree.get(path)
        if found is None:
            return [f"{path}: not there"]
        if isinstance(thing, int):
            if not hasattr(found, "blocks"):
                return [f"{path}: no file"]
            return [f"{path}: {text}" for text in self.file(thing).judge(found, promise)]
        return [] if found == thing else [f"{path}: {found} and not {thing}"]


def move(names, event):
    """Names after an event: path to number of a file, "directory" or ("link", target)."""
    if event.kind == "create":
        names[event.path] = event.thing
    elif event.kind == "mkdir":
        names[event.path] = "directory"
    elif event.kind == "symlink":
        names[event.path] = ("link", event.data)
    elif event.kind == "unlink":
        names.pop(event.path)
    elif event.kind == "link":
        names[event.to] = names[event.path]
    elif event.kind == "rename":
        below = [path for path in names if path.startswith(event.path + "/")]
        names[event.to] = names.pop(event.path)
        for path in below:
            names[event.to + path[len(event.path):]] = names.pop(path)
