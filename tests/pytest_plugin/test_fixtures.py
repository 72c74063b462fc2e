"""The fixtures: an empty sandbox for each test, in every kind of test and of run."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.projects import Project

TWO_TESTS = """
    from tracking import track

    def test_first(customerio_sandbox):
        assert track(customerio_sandbox, "1", "signed_up") == 200
        assert [event.name for event in customerio_sandbox.events] == ["signed_up"]

    def test_second(customerio_sandbox):
        assert customerio_sandbox.events == customerio_sandbox.people == customerio_sandbox.requests == ()
        assert track(customerio_sandbox, "2", "purchase", total=5) == 200
        assert [person.id for person in customerio_sandbox.people] == ["2"]
"""


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_each_test_has_an_empty_sandbox_in_every_import_mode(project: Project, mode: str) -> None:
    project.add("test_two.py", TWO_TESTS)
    outcome = project.run(f"--import-mode={mode}")
    assert outcome.counts == {"passed": 2}, outcome.output


def test_fault_and_segment_of_a_test_do_not_reach_the_next_one(project: Project) -> None:
    project.add(
        "test_two.py",
        """
        from tracking import track

        def test_first(customerio_sandbox):
            customerio_sandbox.fail_next(times=5)
            customerio_sandbox.add_segment(7, "Newsletter")

        def test_second(customerio_sandbox):
            assert track(customerio_sandbox, "1", "purchase") == 200
            assert [segment.id for segment in customerio_sandbox.segments] == [1, 2, 3]
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 2}, outcome.output


def test_one_server_serves_the_tests_of_a_session_and_stops_with_it(project: Project) -> None:
    project.add(
        "conftest.py",
        """
        import socket, threading
        import pytest

        urls = set()

        @pytest.fixture(autouse=True)
        def remember(customerio_sandbox):
            urls.add((customerio_sandbox.host, customerio_sandbox.port))

        def pytest_unconfigure():
            ((host, port),) = urls
            with socket.socket() as client:
                print("refused:", client.connect_ex((host, port)) != 0)
            print("threads:", threading.active_count())
        """,
    )
    project.add("test_two.py", TWO_TESTS)
    outcome = project.run("-s")
    assert "refused: True\nthreads: 1\n" in outcome.output
    assert " 2 passed" in outcome.output


def test_session_fixture_of_the_project_uses_the_server_of_the_tests(project: Project) -> None:
    project.add(
        "test_app.py",
        """
        import pytest
        from tracking import track

        @pytest.fixture(scope="session")
        def app_sandbox(customerio_sandbox_server):
            assert track(customerio_sandbox_server, "1", "app_started") == 200
            return customerio_sandbox_server

        def test_app(app_sandbox, customerio_sandbox):
            assert customerio_sandbox.url == app_sandbox.url
            assert customerio_sandbox.events == ()
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 1}, outcome.output


def test_asynchronous_tests_and_the_projects_client_use_the_sandbox(project: Project) -> None:
    project.add(
        "test_async.py",
        """
        import asyncio
        import pytest
        from customerio_track_mcp.track import Credentials, TrackClient

        async def sign_up(sandbox):
            async with TrackClient(Credentials(sandbox.site_id, sandbox.api_key), sandbox.url) as client:
                await client.track("1042", "signed_up")
            assert [event.person.id for event in sandbox.events] == ["1042"]

        @pytest.mark.anyio
        async def test_with_anyio(customerio_sandbox, anyio_backend):
            await sign_up(customerio_sandbox)

        def test_with_a_loop_of_its_own(customerio_sandbox):
            asyncio.run(sign_up(customerio_sandbox))
        """,
    )
    project.add("conftest.py", "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")
    outcome = project.run()
    assert outcome.counts == {"passed": 2}, outcome.output


def test_classes_parameters_and_test_cases_use_the_sandbox(project: Project) -> None:
    project.add(
        "test_kinds.py",
        """
        import unittest
        import pytest
        from tracking import track

        class TestClass:
            @pytest.mark.parametrize("name", ["a", "b"])
            def test_method(self, customerio_sandbox, name):
                track(customerio_sandbox, "1", name)
                assert [event.name for event in customerio_sandbox.events] == [name]

        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _use_sandbox(self, customerio_sandbox):
                self.sandbox = customerio_sandbox

            @pytest.mark.customerio_fault(status=500)
            def test_method(self):
                self.assertEqual(track(self.sandbox, "1", "a"), 500)
                self.assertEqual(track(self.sandbox, "1", "b"), 200)

        @pytest.mark.usefixtures("customerio_sandbox")
        class OtherTestCase(unittest.TestCase):
            @pytest.mark.customerio_fault(status=500)
            def test_method(self):
                pass
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 4}, outcome.output


def test_each_worker_of_xdist_has_a_server_of_its_own(project: Project) -> None:
    project.add(
        "test_worker.py",
        """
        from pathlib import Path
        from tracking import track

        def test_worker(customerio_sandbox, worker_id):
            assert track(customerio_sandbox, "1", worker_id) == 200
            assert [event.name for event in customerio_sandbox.events] == [worker_id]
            Path(__file__).with_name(f"{worker_id}.txt").write_text(customerio_sandbox.url)
        """,
    )
    outcome = project.run("--dist=each", "--tx=2*popen")
    assert outcome.counts == {"passed": 2}, outcome.output
    assert len({path.read_text() for path in project.folder.glob("gw*.txt")}) == 2


def test_disabled_plugin_leaves_neither_fixture_nor_marker(project: Project) -> None:
    project.add("test_two.py", TWO_TESTS)
    outcome = project.run("-p", "no:customerio_sandbox")
    assert outcome.counts == {"error": 2}
    assert "fixture 'customerio_sandbox' not found" in outcome.output
    project.add("test_two.py", "import pytest\n\n@pytest.mark.customerio_fault\ndef test(): pass\n")
    outcome = project.run("-p", "no:customerio_sandbox")
    assert outcome.counts == {"error": 1}
    assert "not found in `markers`" in outcome.output or "Unknown pytest.mark.customerio_fault" in outcome.output
    assert project.run().counts == {"error": 1}, "the marker is known, and the test uses no sandbox"


def test_plugin_is_loaded_by_name_if_no_plugin_is_loaded_by_itself(project: Project) -> None:
    project.add("test_two.py", TWO_TESTS)
    outcome = project.run("-p", "customerio_sandbox", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert outcome.counts == {"passed": 2}, outcome.output


def test_clients_reach_the_sandbox_although_the_environment_names_a_proxy(project: Project) -> None:
    project.add(
        "test_proxy.py",
        """
        import os
        import pytest
        import requests
        from tracking import track

        def test_sandbox(customerio_sandbox):
            assert track(customerio_sandbox, "1", "a") == 200
            assert requests.get(customerio_sandbox.url).status_code == 200

        def test_environment_is_as_before():
            assert {os.environ.get("NO_PROXY"), os.environ.get("no_proxy")} == {"intranet.example", None}
        """,
    )
    outcome = project.run(HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="intranet.example")
    assert outcome.counts == {"passed": 2}, outcome.output


def test_failed_helper_shows_the_drops_and_nothing_internal(project: Project) -> None:
    project.add(
        "test_drop.py",
        """
        from tracking import track

        def test_note(customerio_sandbox):
            track(customerio_sandbox, "1042", "note", text="x" * 200_000)
            customerio_sandbox.assert_nothing_dropped()
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"failed": 1}
    assert ">       customerio_sandbox.assert_nothing_dropped()" in outcome.output
    (heading, drop) = [line for line in outcome.output.splitlines() if line.startswith("E ")]
    assert "silently dropped, one thing:" in heading
    assert drop.startswith("E         track 1042: event 'note': the event data exceeds ")
    assert "handle.py" not in outcome.output
    assert "test_drop.py:5: AssertionError" in outcome.output


def test_output_of_a_failed_assertion_names_what_the_sandbox_contains(project: Project) -> None:
    project.add(
        "test_person.py",
        """
        def test_person(customerio_sandbox):
            customerio_sandbox.add_person("1042", attributes={"plan": "free"})
            assert customerio_sandbox.find_person("1042").attributes == {"plan": "pro"}
        """,
    )
    outcome = project.run()
    assert "E       AssertionError: assert {'plan': 'free'} == {'plan': 'pro'}" in outcome.output
