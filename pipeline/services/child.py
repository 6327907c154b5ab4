"""Becomes the service: the few steps that belong between fork and exec, in a process of their own.

Started as a script by ``process.spawn``, with the standard library only. Doing these steps here
and not in ``preexec_fn`` keeps them out of a forked copy of a process with threads.

1. own session: Ctrl-C in the terminal reaches us and not the service
2. give up root, if asked
3. ask to be told when the parent dies; after 2, since a change of user clears the wish
4. wait for the parent's word, which comes once our process id is on disk: nothing untracked runs
"""

import contextlib
import ctypes
import json
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read the instruction, prepare, become the command."""
    order = json.loads(sys.argv[1])
    os.setsid()
    os.umask(0o022)
    for number in [int(name) for name in os.listdir("/dev/fd")]:
        if number > 2:  # whatever we were handed by accident; one of them is the listing itself
            with contextlib.suppress(OSError):
                os.close(number)
    output = os.open(
        order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o644
    )
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(name, signal.SIG_DFL)  # Python ignores SIGPIPE, nohup ignores SIGHUP
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    libc = ctypes.CDLL(None)  # loaded now: the other user may not be able to read our Python
    if order["uid"] is not None:
        os.setgroups([])
        os.setgid(order["gid"])
        os.setuid(order["uid"])
    if order["parent"] is not None and sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != order["parent"]:
            return  # it died before we could ask
    os.chdir(order["folder"])
    if os.read(0, 1) != b"\n":
        return  # the parent died before it wrote down who we are
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    command = order["command"]
    os.execve(command[0], command, os.environ)


if __name__ == "__main__":
    main()
