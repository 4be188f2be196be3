import _thread
import logging
import os
import signal
import threading
import time

import pytest

from resources.background import Handle, in_background
from resources.progress import Step, listening

log = logging.getLogger(__name__)


def test_gives_back_the_result_and_logs_from_the_main_thread(caplog: pytest.LogCaptureFixture) -> None:
    def work(handle: Handle) -> str:
        handle.say("one")
        handle.report(1, 4)
        time.sleep(0.3)
        handle.say("two")
        handle.report(4, 4)
        return "done"

    steps: list[Step] = []
    with caplog.at_level(logging.INFO), listening(steps.append):
        assert in_background(work, log, "counting", "sheep") == "done"
    assert [record.message for record in caplog.records[:2]] == ["one", "two"]
    assert {record.thread for record in caplog.records} == {threading.get_ident()}
    assert [(step.done, step.total, step.unit) for step in steps] == [(1, 4, "sheep"), (4, 4, "sheep")]


def test_an_exception_arrives_as_it_is() -> None:
    def work(handle: Handle) -> None:
        raise LookupError("no such sheep")

    with pytest.raises(LookupError, match="no such sheep"):
        in_background(work, log, "counting", "sheep")


def test_an_interrupt_is_raised_at_once_and_stops_the_thread() -> None:
    ended = threading.Event()

    def work(handle: Handle) -> None:
        try:
            while True:
                handle.check()
                time.sleep(0.05)
        finally:
            ended.set()

    threading.Timer(0.5, _thread.interrupt_main).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_background(work, log, "counting", "sheep")
    assert time.monotonic() - started < 2
    assert ended.is_set()


def test_all_work_is_done_by_one_thread() -> None:
    def who(handle: Handle) -> int:
        return threading.get_ident()

    first, second = in_background(who, log, "a", "s"), in_background(who, log, "b", "s")
    assert first == second != threading.get_ident()
    assert in_background(lambda handle: in_background(who, log, "b", "s"), log, "a", "s") == first


def test_a_forked_process_gets_a_thread_of_its_own() -> None:
    in_background(lambda handle: None, log, "a", "s")
    child = os.fork()
    if child == 0:
        os._exit(in_background(lambda handle: 7, log, "b", "s"))
    deadline = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 7
