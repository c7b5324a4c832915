"""One file on a disk that keeps what was synced, and of the rest whatever it likes (disk.py says what is assumed)."""

PAGE, SECTOR = 4096, 512


class Inode:
    """One file: bytes that are certain, and what was done since, as (index of the call, kind, offset, count, data)."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        self.length = len(durable)
        self.changes = []

    def change(self, index, kind, offset, count, data=b""):
        if kind == "write":
            self.length = max(self.length, offset + count)
        elif kind == "truncate":
            self.length = offset
        self.changes.append((index, kind, offset, count, data))

    def now(self, changes=None):
        """The bytes after these changes (all of them, unless told)."""
        content = bytearray(self.durable)
        self._apply(content, self.changes if changes is None else changes)
        return content

    @staticmethod
    def _apply(content, changes):
        for _, kind, offset, count, data in changes:
            if kind == "write":
                content.extend(bytes(max(0, offset + count - len(content))))
                content[offset:offset + count] = data
            elif kind == "truncate":
                del content[offset:]
                content.extend(bytes(offset - len(content)))
            else:
                end = min(offset + count, len(content))
                content[offset:end] = bytes(max(0, end - offset))

    def synced(self, before):
        """Changes that began before that call are certain from now on."""
        certain = [change for change in self.changes if change[0] < before]
        self._apply(self.durable, certain)
        self.changes = self.changes[len(certain):]

    def some(self, choice):
        """One state that the disk may be in."""
        if not self.changes or choice.random() < 0.1:
            return self.durable if choice.random() < 0.5 else self.now()
        shaping = [place for place, change in enumerate(self.changes) if change[1] != "write"]
        kept = choice.randint(0, len(shaping))
        # Everything up to the last shaping that came to disk, and nothing from the first that did not, as far as it covers a page.
        lengths = self._lengths(shaping, kept)
        length = choice.choice([lengths[0], lengths[-1], choice.choice(lengths)])
        content = self.durable[:length].ljust(length, b"\0")
        for start in self._touched(length):
            versions = self._versions(start, shaping, kept)
            mood = choice.random()
            first = versions[0] if mood < 0.3 else versions[-1] if mood < 0.6 else choice.choice(versions)
            page = bytearray(first)
            if choice.random() < 0.25 and len(versions) > 1:
                other = choice.choice(versions)
                for at in range(0, PAGE, SECTOR):
                    if choice.random() < 0.5:
                        page[at:at + SECTOR] = other[at:at + SECTOR]
            content[start:start + PAGE] = page[:length - start]
        return content

    def _touched(self, length):
        """Where the pages begin that may be another than the durable one."""
        pages, end = set(), len(self.durable)
        for _, kind, offset, count, _ in self.changes:
            stop = max(end, offset) if kind == "truncate" else offset + count
            end = max(end, stop)
            pages.update(range(offset // PAGE * PAGE, min(stop, length), PAGE))
        return sorted(page for page in pages if page < length)

    def _lengths(self, shaping, kept):
        begin = shaping[kept - 1] if kept else -1
        end = shaping[kept] if kept < len(shaping) else len(self.changes)
        length = len(self.now(self.changes[:begin + 1]))
        lengths = [length]
        for _, kind, offset, count, _ in self.changes[begin + 1:end]:
            length = max(length, offset + count)
            lengths.append(length)
        return lengths

    def _versions(self, start, shaping, kept):
        """The versions of the page at `start` that may stand on disk when the first `kept` shapings do."""
        def covers(place):
            _, kind, offset, count, _ = self.changes[place]
            return offset < start + PAGE and (kind == "truncate" or offset + count > start)
        begin = max((place for place in shaping[:kept] if covers(place)), default=-1)
        end = min((place for place in shaping[kept:] if covers(place)), default=len(self.changes))
        page = bytearray(self.durable[start:start + PAGE].ljust(PAGE, b"\0"))
        versions = [] if begin >= 0 else [bytes(page)]
        for place, (_, kind, offset, count, data) in enumerate(self.changes[:end]):
            low, high = max(offset, start), min(offset + count, start + PAGE)
            if kind == "write" and low < high:
                page[low - start:high - start] = data[low - offset:high - offset]
            elif kind == "truncate" and offset < start + PAGE:
                page[max(0, offset - start):] = bytes(PAGE - max(0, offset - start))
            elif kind == "punch" and low < high:
                page[low - start:high - start] = bytes(high - low)
            else:
                continue
            if place >= begin:
                versions.append(bytes(page))
        return versions
