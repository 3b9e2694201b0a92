"""When the tests' long builds have room for a second one."""

import os

import pytest

from long_builds import IdleCores

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def observe(tmp_path):
    stat = tmp_path / "stat"
    idle = IdleCores(stat)

    def at(now, idle_s, waiting_s=0.0):
        stat.write_text(f"cpu  1 2 3 {int(idle_s * TICKS)} {int(waiting_s * TICKS)} 6 7 8 9 10\ncpu0 1 2 3 4\n")
        return idle.observe(now)

    at.forget = idle.forget
    return at


def test_a_core_is_idle_only_after_a_while_and_what_is_long_past_counts_no_more(observe):
    assert observe(100.0, 50.0) == 0
    assert observe(105.0, 55.0) == 0
    assert observe(110.0, 57.0, 3.0) == pytest.approx(1.0)
    assert observe(115.0, 57.0, 3.0) == pytest.approx(0.5)
    assert observe(120.0, 57.0, 3.0) == 0


def test_after_a_start_it_is_looked_at_anew(observe):
    observe(100.0, 0.0)
    assert observe(110.0, 20.0) == pytest.approx(2.0)
    observe.forget()
    assert observe(110.5, 21.0) == 0
    assert observe(120.5, 31.0) == pytest.approx(1.0)
