"""What the kernel counts, read from files that look as the kernel's."""

import os
from pathlib import Path

import pytest

from service_kit.process_figures import (
    descriptor_limit,
    figures,
    host_cpu,
    listen_overflows,
    open_descriptors,
    throttled_seconds,
)


def test_an_open_file_is_one_descriptor_more() -> None:
    before = open_descriptors()
    with Path("/dev/null").open():
        assert open_descriptors() == before + 1
    assert 0 < before < descriptor_limit()


def test_overflows_are_those_of_tcp(tmp_path: Path) -> None:
    netstat = tmp_path / "netstat"
    netstat.write_text("TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 42\nIpExt: InNoRoutes\nIpExt: 7\n")
    assert listen_overflows(netstat) == 42
    netstat.write_text("TcpExt: SyncookiesSent\nTcpExt: 1\n")
    assert listen_overflows(netstat) is None
    assert listen_overflows(tmp_path / "absent") is None


def test_a_cgroup_without_a_limit_has_throttled_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n")
    assert throttled_seconds(tmp_path) == 2.5
    assert throttled_seconds(tmp_path / "absent") is None


def test_the_first_cgroup_that_counts_is_taken_of_either_version(tmp_path: Path) -> None:
    """Version 1 has nanoseconds by another name; version 2 beside it may count no CPU."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, text in ((first, "usage_usec 5\n"), (second, "nr_throttled 3\nthrottled_time 1500000000\n")):
        folder.mkdir()
        (folder / "cpu.stat").write_text(text)
    assert throttled_seconds(first, second) == 1.5


def test_the_hosts_cpu_is_of_all_cores(tmp_path: Path) -> None:
    hertz = os.sysconf("SC_CLK_TCK")
    stat = tmp_path / "stat"
    stat.write_text(f"cpu  {2 * hertz} {hertz} {hertz} {10 * hertz} {hertz} 0 {hertz} {3 * hertz} 0 0\ncpu0 1 2\n")
    assert host_cpu(stat) == pytest.approx((5.0, 3.0, 19.0))
    assert host_cpu(tmp_path / "absent") is None


def test_a_service_reports_them_all() -> None:
    assert set(figures()) == {"descriptors", "descriptor_limit", "listen_overflows", "throttled_seconds"}
