from __future__ import annotations

from pathlib import Path

from tools.flaky import outcomes

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_good"/>
<testcase classname="tests.a" name="test_skipped"><skipped/></testcase>
<testcase classname="tests.a" name="test_bad"><failure/></testcase>
<testcase classname="tests.b" name="test_broken"><error/></testcase>
</testsuite></testsuites>"""


def test_failed_tests_are_named_and_passed_ones_counted(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    assert outcomes(tmp_path / "report.xml") == (1, ["tests.a::test_bad", "tests.b::test_broken"])


def test_a_run_without_a_report_passed_nothing(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "absent.xml") == (0, [])
