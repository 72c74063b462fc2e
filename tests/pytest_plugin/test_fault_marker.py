"""The marker for faults: its order, its arguments, and what it reports."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.projects import Project


def test_faults_apply_in_the_order_in_which_they_are_written(project: Project) -> None:
    project.add(
        "test_order.py",
        """
        import pytest
        from tracking import track

        fault = pytest.mark.customerio_fault
        pytestmark = [fault(status=501), fault(status=502)]

        def statuses(sandbox):
            statuses = []
            while (status := track(sandbox, "1", "a")) != 200:
                statuses.append(status)
            return statuses

        @fault(status=511)
        @pytest.mark.parametrize("number", [pytest.param(1, marks=[fault(status=521), fault(status=522)])])
        @fault("fail_next", status=512, times=2)
        def test_function(customerio_sandbox, number):
            assert statuses(customerio_sandbox) == [501, 502, 511, 512, 512, 521, 522]

        @fault(status=531)
        @fault(status=532)
        class TestDecorated:
            @fault(status=511)
            @fault(status=512)
            def test_method(self, customerio_sandbox):
                assert statuses(customerio_sandbox) == [501, 502, 531, 532, 511, 512]

        class TestSubclass(TestDecorated):
            pytestmark = [fault(status=541), fault(status=542)]

            def test_method(self, customerio_sandbox):
                found = statuses(customerio_sandbox)
                assert found[:2] == [501, 502]
                assert [status for status in found if status in (531, 532)] == [531, 532]
                assert [status for status in found if status in (541, 542)] == [541, 542]
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 3}, outcome.output


def test_every_fault_has_its_arguments(project: Project) -> None:
    project.add(
        "test_faults.py",
        """
        import httpx
        import pytest
        from tracking import track

        @pytest.mark.customerio_fault
        def test_without_arguments(customerio_sandbox):
            assert [track(customerio_sandbox, "1", "a") for _ in range(2)] == [503, 200]

        @pytest.mark.customerio_fault("lose_reply", operation="track")
        def test_lost_reply(customerio_sandbox):
            with pytest.raises(httpx.TransportError):
                track(customerio_sandbox, "1", "a")
            assert [event.name for event in customerio_sandbox.events] == ["a"]

        @pytest.mark.customerio_fault("reset_next")
        def test_reset(customerio_sandbox):
            with pytest.raises(httpx.TransportError):
                track(customerio_sandbox, "1", "a")
            assert customerio_sandbox.events == ()

        @pytest.mark.customerio_fault("delay_next", seconds=0.01)
        @pytest.mark.customerio_fault("redirect_next", location="https://track-eu.customer.io")
        @pytest.mark.customerio_fault(status=429, retry_after="2")
        def test_others(customerio_sandbox):
            assert [track(customerio_sandbox, "1", "a") for _ in range(4)] == [200, 307, 429, 200]
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 4}, outcome.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("status=200", "status: "),
        ("times=0", "times: "),
        ("times='many'", "times: "),
        ("operation='delete'", "operation: "),
        ("'delay_next', seconds=-1", "seconds: "),
        (
            "code=503",
            "code is not an argument of fail_next, which accepts status, times, retry_after, operation; the other "
            "faults are lose_reply, delay_next, reset_next, redirect_next",
        ),
        ("'lose_reply', status=503", "status is not an argument of lose_reply, which accepts times, operation; "),
        ("'delay_next'", "seconds is missing, which delay_next requires"),
        ("'lost_reply'", "'lost_reply' is not a fault; expected one of fail_next, lose_reply, delay_next, "),
        ("503", "503 is not a fault; expected one of fail_next, "),
        ("'reset'", "'reset' is not a fault; "),
        ("[]", "[] is not a fault; "),
        ("'fail_next', 503", "pass the fault alone without a name, and its arguments with theirs, as in times=2"),
    ],
)
def test_invalid_argument_is_an_error_of_the_test_that_names_it(project: Project, arguments: str, message: str) -> None:
    project.add(
        "test_invalid.py",
        f"""
        import pytest

        @pytest.mark.customerio_fault({arguments})
        def test_marked(customerio_sandbox):
            pass

        def test_other(customerio_sandbox):
            pass
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 1, "error": 1}, outcome.output
    (start, _, end) = outcome.output.partition("ERROR at setup of test_marked")[2].partition("short test summary")
    assert end
    lines = [line for line in start.splitlines()[1:] if line.strip("= ")]
    assert len(lines) == 1, outcome.output
    assert lines[0].startswith(f"customerio_fault: {message}")


def test_too_many_faults_are_an_error_of_the_test(project: Project) -> None:
    project.add(
        "test_many.py",
        """
        import pytest

        pytestmark = [pytest.mark.customerio_fault(times=1000)] * 1001

        def test_marked(customerio_sandbox):
            pass
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"error": 1}
    assert "\ncustomerio_fault: " in outcome.output
    assert "Traceback" not in outcome.output
    assert "handle.py" not in outcome.output


def test_marker_without_a_sandbox_is_an_error(project: Project) -> None:
    project.add(
        "test_without.py",
        """
        import pytest

        pytestmark = pytest.mark.customerio_fault

        def test_without(tmp_path):
            pass

        def test_with(customerio_sandbox):
            pass

        @pytest.fixture
        def found_by_name(request):
            return request.getfixturevalue("customerio_sandbox")

        def test_found_by_name(found_by_name):
            pass

        @pytest.mark.skip
        def test_skipped():
            pass
        """,
    )
    outcome = project.run()
    assert outcome.counts == {"passed": 2, "error": 1, "skipped": 1}
    assert "ERROR at setup of test_without" in outcome.output
    assert "customerio_fault: this test uses neither customerio_sandbox nor customerio_sandbox_tls" in outcome.output
    assert "pytest_plugin" not in outcome.output


def test_test_or_folder_with_the_name_of_the_marker_is_not_marked(project: Project) -> None:
    project.add("test_name.py", "class customerio_fault:\n    def customerio_fault(self): pass\n")
    outcome = project.run("-o", "python_classes=customerio_*", "-o", "python_functions=customerio_*")
    assert outcome.counts == {"passed": 1}, outcome.output


def test_marker_is_listed_with_its_arguments(project: Project) -> None:
    assert '@pytest.mark.customerio_fault(fault="fail_next", /, **arguments): ' in project.run("--markers").output
