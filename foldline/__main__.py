"""`foldline`, and `python -m foldline`, by which the supervisor starts its children whatever the PATH."""

import signal


def run() -> None:
    """Run a command. Ctrl-C before there is one ends the process: an import would print a traceback."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from foldline.cli import main  # noqa: PLC0415

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    run()
