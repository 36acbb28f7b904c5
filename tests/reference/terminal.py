"""Runs a program on a terminal of its own, presses Ctrl-C, and says what became of the echo.

Arguments: the program and its arguments. It must print a verdict once it reads keys.
"""

import fcntl
import os
import pty
import signal
import sys
import termios
import threading


def echoes(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def login(terminal):
    """Makes it the terminal of this process, so that its Ctrl-C is ours."""
    os.setsid()
    for number in range(3):
        os.dup2(terminal, number)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def main(program, *arguments):
    signal.alarm(60)
    ours, theirs = pty.openpty()
    before = echoes(theirs)
    child = os.fork()
    if child == 0:
        os.close(ours)
        login(theirs)
        os.execv(program, [program, *arguments])
    printed = b""
    while b"verdict" not in printed:
        printed += os.read(ours, 4096)
    watching = echoes(theirs)
    os.write(ours, b"\x03")
    # What is printed must be read, or the program waits for us.
    threading.Thread(target=drain, args=[ours], daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    after = echoes(theirs)
    print(f"echo before: {before}, watching: {watching}, after: {after}; exit code {code}")


def drain(terminal):
    while os.read(terminal, 4096):
        pass


main(*sys.argv[1:])
