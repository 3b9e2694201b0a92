from imgpipe.machine_state import Activity
from imgpipe.watch.silence import Stillness


def watched(cpu_of, seconds, *, disk_of=lambda second: 0, text_at=()):
    """Watch a machine that uses cpu_of(second) seconds of CPU in each second."""
    still, cpu = Stillness(0.0, idle_cpu=0.10), 0.0
    for second in range(seconds):
        cpu += cpu_of(second)
        still.observe(second, Activity(cpu_ns=int(cpu * 1e9), disk_bytes=disk_of(second)), text=second in text_at)
    return still


def test_a_machine_that_does_nothing_is_idle_for_as_long():
    assert watched(lambda second: 0.02, 300).idle_for(299) > 290


def test_a_burst_now_and_then_does_not_hide_that_it_is_idle():
    assert watched(lambda second: 0.6 if second % 20 == 0 else 0.01, 300).idle_for(299) > 290


def test_steady_work_is_not_idle_however_quiet():
    assert watched(lambda second: 0.5, 300).idle_for(299) < 2


def test_it_counts_from_where_the_work_ended():
    still = watched(lambda second: 1.0 if second < 200 else 0.02, 300)
    assert 90 < still.idle_for(299) < 115


def test_writing_to_the_disk_is_work():
    assert watched(lambda second: 0.01, 300, disk_of=lambda second: second).idle_for(299) < 2


def test_text_is_work():
    still = watched(lambda second: 0.01, 300, text_at={250})
    assert 45 < still.idle_for(299) <= 50
    assert still.mute_for(299) == 49


def test_a_loop_that_leads_nowhere_is_mute_but_not_idle():
    still = watched(lambda second: 1.0, 300)
    assert still.mute_for(299) >= 298
    assert still.idle_for(299) < 2
