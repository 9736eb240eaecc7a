"""Memory that large pictures took, given back."""
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Frees one very large block, then many large ones that small ones in use lie between; prints the MB that stay.
WORK = """
import ctypes, os
from page.server.memory import return_freed_memory
{call}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def taken(size):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block

def used():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

libc.free(taken(30_000_000))
before = used()
blocks = [(taken(8_000_000), taken(1000)) for _ in range(25)]
for large, _ in blocks:
    libc.free(large)
print(used() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' C libraries differ")
def test_freed_blocks_go_back_to_the_system():
    def kept(call: str) -> float:
        run = subprocess.run([sys.executable, "-c", WORK.format(call=call)], cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return float(run.stdout)

    if kept("") < 100:
        pytest.skip("this C library gives memory back by itself")
    assert kept("return_freed_memory()") < 10
