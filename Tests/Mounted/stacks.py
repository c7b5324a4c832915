"""What a daemon does that does not answer: for the report of a test that waited for it in vain."""

import shutil
import subprocess
from pathlib import Path


def stacks(pid):
    """Each thread of a process: its state (T: somebody has stopped it), where it waits in the kernel; its functions where gdb is installed."""
    lines = []
    for thread in sorted(Path(f"/proc/{pid}/task").glob("*")):
        try:
            state = (thread / "stat").read_text().rsplit(")", 1)[1].split()[0]
            lines.append(f"thread {thread.name}: {state} {(thread / 'wchan').read_text()} {(thread / 'syscall').read_text().strip()}")
        except OSError:
            continue
    if shutil.which("gdb"):
        try:
            traced = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 12"], capture_output=True, text=True, timeout=60)
            lines.append(traced.stdout[-8000:])
        except subprocess.TimeoutExpired:
            lines.append("gdb does not end")
    return "\n".join(lines)
