"""Runs a command and writes what it cost, as one line of JSON, to descriptor 3.

wait4 gives the exact CPU time of the command and all that it waited for, and the largest resident
set of any one process among them; Node offers neither for a child. Where the command starts
processes of its own, their resident sets are added up ten times a second, and the larger of both
figures is the peak. (Pages that two processes share then count twice.)
"""

import json
import os
import subprocess
import sys
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += file.read().split()
    except OSError:  # it ended meanwhile
        pass
    return found


def resident(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0


def tree_bytes(pid):
    """The resident sets of `pid` and all below it; 0 where there is nothing below it."""
    below = []
    queue = children(pid)
    while queue:
        below.append(queue.pop())
        queue += children(below[-1])
    return sum(map(resident, [pid, *below])) if below else 0


ended = threading.Event()
tree_peak = 0


def watch(pid):
    global tree_peak
    while not ended.wait(0.1):
        tree_peak = max(tree_peak, tree_bytes(pid))


start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:])
watcher = threading.Thread(target=watch, args=(child.pid,))
watcher.start()
_, status, usage = os.wait4(child.pid, 0)
wall = time.perf_counter() - start
ended.set()
watcher.join()
cost = {
    "wallSeconds": wall,
    "cpuSeconds": usage.ru_utime + usage.ru_stime,
    "peakBytes": max(usage.ru_maxrss * 1024, tree_peak),
    "status": os.waitstatus_to_exitcode(status),
}
os.write(3, json.dumps(cost).encode())
