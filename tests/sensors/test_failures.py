"""One readable line for each failed run, and a post that may fail without harm."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test

from sensors.failures import failures_sensor


@contextmanager
def server(answer: int = 200, location: str = "", hang: float = 0.0) -> Iterator[tuple[str, list]]:
    """A real HTTP server; yields its URL and the (headers, body) of each request."""
    got: list = []
    release = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            if hang:
                release.wait(hang)
            self.send_response(answer)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def do_GET(self):
            got.append((dict(self.headers), b""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/hook", got
        finally:
            release.set()
            listening.shutdown()


class Alarm:
    """The sensor with its cursor; the first tick only sets the cursor, as in Dagster."""

    def __init__(self, place, **settings):
        self.place, self.sensor = place, failures_sensor(log=place.log, **settings)
        self.cursor = None
        self.tick()

    def tick(self):
        definitions = self.place.definitions()
        with dg.build_sensor_context(
            instance=self.place.instance,
            instance_ref=self.place.instance.get_ref(),
            cursor=self.cursor,
            definitions=definitions,
        ) as context:
            data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data


def fail(place, key, **tags):
    job = place.definitions().resolve_job_def("recordings")
    result = job.execute_in_process(
        instance=place.instance, partition_key=key, tags={"fail": "yes", **tags}, raise_on_error=False
    )
    assert not result.success
    return result.run_id


@pytest.fixture
def taken(place, wav):
    """A recording with a newline in its name, taken in; the place and its key."""
    wav(place.inbox / 'My "first"\nlecture.wav')
    place.ticks(3)
    return place, place.keys()[0]


def test_a_failed_run_is_one_line_that_says_what_to_do(taken):
    place, key = taken
    alarm = Alarm(place)
    run_id = fail(place, key)
    alarm.tick()
    alarm.tick()
    (line,) = place.log_lines()
    assert line.split("  ")[1] == "failed"
    assert '"My "first"\\nlecture.wav"' in line
    assert f"({key}) at published: DiskFull: No room. Free some. (run {run_id})" in line


def test_a_failure_of_the_code_itself_names_the_error(place):
    @dg.job(name="broken")
    def broken():
        @dg.op
        def divide():
            return 1 / 0

        divide()

    alarm = Alarm(place)
    broken.execute_in_process(instance=place.instance, raise_on_error=False)
    alarm.tick()
    (line,) = place.log_lines()
    assert '"broken" at divide: ZeroDivisionError: division by zero' in line
    assert "re-execute" in line


def test_a_blocking_check_is_told_by_name_and_reason(place):
    @dg.asset(check_specs=[dg.AssetCheckSpec("within", asset="words", blocking=True)])
    def words():
        result = dg.AssetCheckResult(passed=False, check_name="within", description="A word lies\nbehind the end.")
        return dg.MaterializeResult(check_results=[result])

    alarm = Alarm(place)
    dg.materialize([words], instance=place.instance, raise_on_error=False)
    alarm.tick()
    (line,) = place.log_lines()
    assert "at words: check within: A word lies\\nbehind the end. See the check" in line


def test_a_run_that_died_without_a_failed_step_is_told_too(taken):
    place, key = taken
    alarm = Alarm(place)
    run = place.instance.get_runs()[0]
    place.instance.report_run_failed(run, message="The run worker died (SIGKILL).")
    alarm.tick()
    (line,) = place.log_lines()
    assert f"({key}) in job recordings: The run worker died (SIGKILL)." in line


def test_a_run_that_is_retried_is_told_from_one_that_is_not(place, wav):
    settings = {"run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}}
    with instance_for_test(overrides=settings) as instance:
        place.instance = instance
        wav(place.inbox / "a.wav")
        place.ticks(3)
        alarm = Alarm(place)
        place.instance.report_run_failed(place.instance.get_runs()[0], message="The run worker died.")
        fail(place, place.keys()[0])
        alarm.tick()
    crashed, failed = place.log_lines()
    assert "  failed, will be retried  " in crashed
    assert "  failed  " in failed


def test_the_webhook_gets_the_failure_as_json_with_the_token(taken):
    place, key = taken
    with server() as (url, got):
        alarm = Alarm(place, webhook_url=url, webhook_token="secret-1")
        run_id = fail(place, key)
        alarm.tick()
    ((headers, body),) = got
    assert headers["Authorization"] == "Bearer secret-1"
    assert headers["Content-Type"] == "application/json"
    told = json.loads(body)
    assert told["name"] == 'My "first"\nlecture.wav'
    assert (told["key"], told["step"], told["run_id"]) == (key, "published", run_id)
    assert (told["error"], told["problem"], told["what_to_do"]) == ("DiskFull", "No room.", "Free some.")
    assert told["will_retry"] is False
    assert told["text"] == place.log_lines()[0]


@pytest.mark.parametrize("answer", [404, 500])
def test_a_webhook_that_answers_an_error_does_no_harm(taken, answer):
    place, key = taken
    with server(answer) as (url, got):
        alarm = Alarm(place, webhook_url=url)
        fail(place, key)
        data = alarm.tick()
    assert len(got) == len(place.log_lines()) == 1
    assert all(reaction.error is None for reaction in data.dagster_run_reactions)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "http://no-such-host.invalid/"])
def test_a_webhook_that_cannot_be_reached_does_no_harm(taken, url):
    place, key = taken
    alarm = Alarm(place, webhook_url=url)
    fail(place, key)
    data = alarm.tick()
    assert len(place.log_lines()) == 1
    assert all(reaction.error is None for reaction in data.dagster_run_reactions)


def test_a_webhook_that_hangs_is_given_up(taken, monkeypatch):
    place, key = taken
    monkeypatch.setattr("sensors.failures.WEBHOOK_TIMEOUT_S", 0.3)
    with server(hang=30.0) as (url, got):
        alarm = Alarm(place, webhook_url=url)
        fail(place, key)
        alarm.tick()
    assert len(got) == len(place.log_lines()) == 1


def test_the_token_does_not_follow_a_redirect(taken):
    place, key = taken
    with server() as (elsewhere, stolen), server(302, elsewhere) as (url, got):
        alarm = Alarm(place, webhook_url=url, webhook_token="secret-1")
        fail(place, key)
        alarm.tick()
    assert len(got) == len(place.log_lines()) == 1
    assert not stolen


def test_a_log_that_cannot_be_written_still_lets_the_webhook_know(taken):
    place, key = taken
    place.log.mkdir()
    with server() as (url, got):
        alarm = Alarm(place, webhook_url=url)
        fail(place, key)
        alarm.tick()
    assert len(got) == 1
