"""Runners of the documented shell examples: with bash, curl and jq where they are, and without them.

The second way understands what the examples use and nothing else: comments, lines continued with a backslash
or within single quotes, `NAME=$(…)`, `$NAME`, `curl`, a pipe into `jq`, and programs with arguments.
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.http import sync_http_client

Run = Callable[[str, Mapping[str, str]], str]
"""A function that runs a script with an environment and returns what it printed; a command may fail."""

_ASSIGNMENT = re.compile(r"(\w+)=\$\((.*)\)")
_TIMEOUT = 60


def pasted(script: str, environment: Mapping[str, str]) -> str:
    """Run a script with bash, curl and jq."""
    return _output(["bash", "-c", script], environment)


def understood(script: str, environment: Mapping[str, str]) -> str:
    """Run a script with Python alone."""
    variables = dict(environment)
    printed = ""
    lines = iter(script.replace("\\\n", " ").splitlines())
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        while line.count("'") % 2:
            line += " " + next(lines)  # noqa: PLW2901 - a quoted text goes on
        if assignment := _ASSIGNMENT.fullmatch(line.strip()):
            variables[assignment[1]] = _pipe(assignment[2], variables).strip()
        else:
            printed += _pipe(line, variables)
    return printed


RUNNERS: list[Run] = [understood]
if all(shutil.which(program) for program in ("bash", "curl", "jq")):
    RUNNERS.append(pasted)


def _pipe(line: str, variables: Mapping[str, str]) -> str:
    lexer = shlex.shlex(_expanded(line, variables), posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    stages: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            stages.append([])
        else:
            stages[-1].append(word)
    text = ""
    for program, *arguments in stages:
        if program == "curl":
            text = _curl(arguments)
        elif program == "jq":
            text = _jq(arguments, json.loads(text))
        else:
            text = _output([program, *arguments], variables)
    return text


def _expanded(line: str, variables: Mapping[str, str]) -> str:
    """Return the line with `$NAME` replaced, but not in single quotes."""
    parts = re.split(r"('[^']*')", line)
    return "".join(
        part if part.startswith("'") else re.sub(r"\$(\w+)", lambda name: variables[name[1]], part)
        for part in parts
    )


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    return done.stdout


def _curl(words: list[str]) -> str:
    parser = argparse.ArgumentParser(prog="curl", exit_on_error=False)
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("url")
    given = parser.parse_args(words)
    headers = dict(re.split(r":\s*", header, maxsplit=1) for header in given.headers)
    if given.data is not None:  # what curl says of a body nobody described
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    method = given.method or ("GET" if given.data is None else "POST")
    with sync_http_client(timeout=_TIMEOUT) as client:
        return client.request(method, given.url, headers=headers, content=given.data).text


def _jq(words: list[str], value: Any) -> str:
    for key in filter(None, words[-1].split(".")):
        value = value[key]
    return value if "-r" in words and isinstance(value, str) else json.dumps(value)
