"""A notify without network that is killed at its n-th SQL statement, and started again.

`python -m support.notify.killed_ledger FOLDER FIRST STEP` does so for n = FIRST, FIRST + STEP …, until a run ends
before its n-th statement. Each line of its output is what one n has led to. It is a process of its own, as it forks.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

from stream.notify.intake import Intake, Received
from stream.notify.ledger import Ledger
from stream.notify.outbox import Failed, Outbox, Sent
from stream.results import Alert, Message, Stats, topic
from support.notify.fed_alerts import NOW_US, SECOND, alert, config, stats

BURST = 3


def messages() -> list[Message]:
    """Return messages of two cameras, by time."""
    found: list[Message] = []
    seqs = {"door": 0, "yard": 0}

    def add(name: str, camera: str, state: str) -> None:
        at_us = NOW_US + len(found) * SECOND
        began_us = next((one.began_us for one in found if isinstance(one, Alert) and one.alert == name), at_us)
        found.append(alert(name, state, at_us=at_us, seq=seqs[camera], camera=camera, began_us=began_us))
        seqs[camera] += 1

    for number in range(3):
        add(f"d{number}", "door", "began")
        add(f"y{number}", "yard", "began")
        add(f"d{number}", "door", "updated")
        found.append(stats(f"d{number}", f"y{number}", cameras=("door", "yard"), seq=number))
        add(f"d{number}", "door", "cleared")
        add(f"y{number}", "yard", "cleared")
    return found


def run(folder: Path, kill_at: int) -> None:
    """Read what was not read yet, send what waits, and end. Killed at the statement `kill_at`; 0: never."""
    seen = 0

    def count(statement: str) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger = Ledger(folder / "notify.db", NOW_US)
    ledger.db.set_trace_callback(count)
    settings = config(folder / "notify.db")
    intake, outbox = Intake(settings, ledger, NOW_US), Outbox(settings, ledger)
    read = {(one.topic, one.run): one.next_seq for one in ledger.positions()}
    left = [one for one in messages() if not isinstance(one, Stats) and one.seq >= read.get((_topic(one), one.run), 0)]
    lines = os.open(folder / "sent", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    now_us = NOW_US
    for first in range(0, len(left) + 1, BURST):
        burst = [Received(one) for one in left[first : first + BURST]]
        now_us = max([now_us, *(one.message.capture_us for one in burst if isinstance(one.message, Alert))])
        if burst:
            intake.take(burst, now_us)
        for lane in ledger.lanes("hook"):
            while (waiting := ledger.head("hook", lane)) is not None:
                attempt = outbox.begin(waiting.seq, now_us)
                assert attempt is not None
                line = {"id": waiting.id, "lane": lane, "attempt": attempt.number, "body": attempt.body.decode()}
                os.write(lines, json.dumps(line).encode() + b"\n")
                failed = attempt.number == 1 and waiting.seq % 4 == 0
                outbox.end(attempt, Failed("answered 500") if failed else Sent(), now_us)
    intake.tick(now_us + SECOND)
    ledger.close()


def _topic(message: Message) -> str:
    assert isinstance(message, Alert)
    return topic("alerts", message.camera)


def _forked(folder: Path, kill_at: int) -> bool:
    """Run in a child process. Return whether it ended by itself."""
    child = os.fork()
    if child == 0:
        try:
            run(folder, kill_at)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"the child that was to be killed at statement {kill_at} failed")
    return not os.WIFSIGNALED(status)


def main() -> None:
    folder, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(first)
    number, ended = first, False
    while not ended:
        here = folder / str(number)
        here.mkdir()
        ended = _forked(here, number)
        _forked(here, rng.randrange(1, 60))  # killed again, soon after its start
        _forked(here, 0)
        ledger = Ledger(here / "notify.db", read_only=True)
        result = {
            "kill_at": number,
            "sent": [json.loads(line) for line in (here / "sent").read_text().splitlines()],
            "states": [one.state for one in ledger.find(target="hook")],
            "open": [one.id for one in ledger.open_alerts()],
        }
        ledger.close()
        print(json.dumps(result), flush=True)
        number += step


if __name__ == "__main__":
    main()
