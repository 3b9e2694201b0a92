"""From all that was seen, one verdict."""

from dataclasses import replace

import pytest

from imgpipe.machine_state import Activity, MachineState
from imgpipe.os_family import Console, Phase, Proof, Trouble
from imgpipe.watch.classify import Classifier
from imgpipe.watch.silence import Patience, patience
from imgpipe.watch.verdict import Failure, Judge, Observation, Success

CONSOLE = Console(
    phases=(
        Phase(pattern=r"^Late", label="late", percent=90),
        Phase(pattern=r"^Early", label="early", percent=10),
    ),
    troubles=(
        Trouble(pattern=r"^ERROR", reason="It failed."),
        Trouble(pattern=r"^STOPPED", reason="It stopped.", general=True),
    ),
    waiting=(Trouble(pattern=r"\?$", reason="It asks."),),
)
PROOF = Proof(console="OK", failure="BAD", file="/x", content="x")
BORNE = Patience(idle_s=100, question_s=4, busy_s=1000, whole_s=5000, idle_cpu=0.05)
RUNNING = MachineState(situation="running")
OFF = MachineState(situation="ended", ending="powered-off")


def test_where_the_disk_has_the_proof_a_power_off_is_all_there_is_to_see():
    judge = Judge(0.0, Classifier(CONSOLE, PROOF), BORNE, reboots_allowed=True, proof_on_disk=True)
    assert judge.observe(Observation(now=1.0, state=RUNNING))[1] is None
    assert judge.observe(Observation(now=2.0, state=OFF))[1] == Success()
    assert not judge.proven


@pytest.mark.parametrize(("seconds", "state", "ended"), [(59, RUNNING, False), (60, RUNNING, True), (1, OFF, True)])
def test_a_system_with_its_logs_on_the_disk_may_write_them_before_its_failure_ends_it(seconds, state, ended):
    judge = Judge(0.0, Classifier(CONSOLE, PROOF), BORNE, reboots_allowed=True, proof_on_disk=True)
    assert judge.observe(Observation(now=1.0, state=RUNNING, console=b"ERROR\n"))[1] is None
    verdict = judge.observe(Observation(now=1.0 + seconds, state=state))[1]
    assert verdict == (Failure(reason="It failed.") if ended else None)


class Scene:
    """A machine that is looked at once a second."""

    def __init__(self, *, reboots_allowed: bool = False) -> None:
        self.now = 0.0
        self.cpu = 0.0
        self.disk = 0
        self.judge = Judge(0.0, Classifier(CONSOLE, PROOF), BORNE, reboots_allowed=reboots_allowed)
        self.labels: list[str] = []

    def see(self, text: str = "", *, state: MachineState = RUNNING, cpu: float = 1.0, disk: int = 0, **more):
        self.now += 1
        self.cpu += cpu
        self.disk += disk
        seen = Observation(
            now=self.now,
            state=state,
            console=text.encode(),
            activity=Activity(cpu_ns=int(self.cpu * 1e9), disk_bytes=self.disk),
            **more,
        )
        progress, verdict = self.judge.observe(seen)
        self.labels += [reached.label for reached in progress]
        return verdict

    def until_verdict(self, limit: int, **doing):
        for _ in range(limit):
            if verdict := self.see(**doing):
                return verdict
        return None


def reason(verdict) -> str:
    assert isinstance(verdict, Failure)
    return verdict.reason


def test_proof_and_power_off_are_success():
    scene = Scene()
    assert scene.see("Early\nOK\n") is None
    assert scene.see(state=OFF) == Success()


def test_the_proof_may_come_with_the_last_bytes():
    assert Scene().see("OK\n", state=OFF) == Success()


def test_power_off_without_proof_is_failure():
    scene = Scene()
    scene.see("Late\n")
    assert "before the installation had finished" in reason(scene.see(state=OFF))


def test_a_failure_after_the_proof_is_still_failure():
    assert reason(Scene().see("OK\nERROR\n", state=OFF)) == "It failed."


@pytest.mark.parametrize(("ending", "culprit"), [("crashed", "guest"), ("destroyed", "host"), ("unknown", "host")])
def test_no_other_ending_is_success_even_with_proof(ending, culprit):
    verdict = Scene().see("OK\n", state=MachineState(situation="ended", ending=ending))
    assert isinstance(verdict, Failure)
    assert verdict.culprit == culprit


def test_trouble_in_the_log_is_failure_at_once():
    assert reason(Scene().see(log=b"ERROR 1\n")) == "It failed."


def test_a_question_is_failure_once_the_machine_is_idle():
    scene = Scene()
    assert scene.see("Go on?\n") is None
    verdict = scene.until_verdict(20, cpu=0.0)
    assert reason(verdict) == "It asks."
    assert scene.now <= 8


def test_a_question_without_a_line_break_is_one_too():
    scene = Scene()
    scene.see("Go on?")
    assert reason(scene.until_verdict(20, cpu=0.0)) == "It asks."


def test_a_question_that_the_installer_answers_itself_is_none():
    scene = Scene()
    scene.see("Go on?\n")
    scene.see("yes, I do\n")
    assert scene.until_verdict(50, cpu=0.0) is None


def test_a_kernel_message_does_not_answer_a_question():
    scene = Scene()
    scene.see("Go on?\n")
    scene.see("[   12.5] random: crng init done\n")
    assert reason(scene.until_verdict(20, cpu=0.0)) == "It asks."


def test_a_question_is_no_failure_while_the_machine_works():
    scene = Scene()
    scene.see("Go on?\n")
    assert scene.until_verdict(60, cpu=0.5) is None


def test_a_machine_that_does_nothing_is_given_up_after_its_time():
    scene = Scene()
    scene.see("Early\n")
    assert "has done nothing for 1" in reason(scene.until_verdict(200, cpu=0.001))
    assert 100 <= scene.now <= 110


def test_a_kernel_that_complained_of_a_hang_is_named_once_all_is_still():
    scene = Scene()
    scene.see("[  483.1] INFO: task kworker/0:1:9 blocked for more than 120 seconds.\n")
    assert scene.until_verdict(90, cpu=0.5) is None
    verdict = scene.until_verdict(200, cpu=0.0)
    assert "kernel hangs: it has done nothing for 1" in reason(verdict)
    assert verdict.stray


@pytest.mark.parametrize("doing", [{"cpu": 0.5}, {"cpu": 0.0, "disk": 512}, {"cpu": 0.0, "text": "."}])
def test_work_of_any_kind_keeps_a_machine(doing):
    assert Scene().until_verdict(400, **doing) is None


def test_a_loop_that_leads_nowhere_ends_in_the_long_run():
    scene = Scene()
    assert "without a word or a write" in reason(scene.until_verdict(2000, cpu=1.0))
    assert scene.now > 900


def test_everything_ends_some_day():
    scene = Scene()
    assert "did not end within" in reason(scene.until_verdict(6000, cpu=1.0, disk=1))


def test_a_finished_installer_that_stays_is_told_as_such():
    scene = Scene()
    scene.see("OK\n")
    assert "did not switch itself off" in reason(scene.until_verdict(200, cpu=0.0))


def test_a_full_host_is_the_hosts_fault():
    state = MachineState(situation="io-error")
    verdict = Scene().see(state=state, disk_errors={"vda": "no space"})
    assert verdict == Failure(reason="The host ran out of space for the machine's disk.", culprit="host")


def test_a_reboot_is_failure_unless_firmware_did_it_or_the_system_may():
    again = replace(RUNNING, reboots=2)
    assert Scene().see("firmware\n", state=again) is None
    scene = Scene()
    scene.see("Early\n")
    assert "rebooted before" in reason(scene.see(state=again))
    scene = Scene()
    scene.see("OK\n")
    assert "rebooted instead of switching itself" in reason(scene.see(state=again))
    scene = Scene(reboots_allowed=True)
    scene.see("Early\n")
    assert scene.see(state=again) is None


def test_a_machine_that_only_resets_is_given_up():
    assert "again and again" in reason(Scene().see(state=replace(RUNNING, reboots=12)))
    assert "again and again" in reason(Scene(reboots_allowed=True).see(state=replace(RUNNING, reboots=99)))


def test_progress_never_goes_back():
    scene = Scene()
    scene.see("Early\nLate\nEarly\n")
    assert scene.labels == ["early", "late"]


def test_the_last_lines_are_bounded_and_plain():
    scene = Scene()
    scene.see("".join(f"line {number}\n" for number in range(100)) + "\x1b[31mprompt> ")
    told = scene.judge.last_lines(15)
    assert told[0] == "console:"
    assert told[-1] == "  prompt>"
    assert len(told) == 16


def test_nothing_printed_is_said():
    assert Scene().judge.last_lines() == ("console: (nothing was printed)",)


def test_patience_is_longer_than_the_longest_pause_of_a_sound_installer():
    for accelerator in ("kvm", "tcg"):
        assert patience(accelerator).idle_s > 180
        assert patience(accelerator).question_s < 8


def test_a_line_that_says_why_wins_over_the_one_that_says_only_that_it_stopped():
    scene = Scene()
    assert scene.see("STOPPED\n") is None
    assert reason(scene.see("ERROR\n")) == "It failed."


def test_the_cause_may_come_first_or_with_the_same_bytes():
    assert reason(Scene().see("ERROR\nSTOPPED\n")) == "It failed."
    assert reason(Scene().see("STOPPED\nERROR\n")) == "It failed."


def test_where_no_cause_comes_the_general_reason_is_told_soon():
    scene = Scene()
    assert scene.see("STOPPED\n") is None
    assert reason(scene.until_verdict(4)) == "It stopped."


def test_a_machine_that_ends_has_no_more_to_say():
    assert reason(Scene().see("STOPPED\n", state=OFF)) == "It stopped."


@pytest.mark.parametrize(("ending", "stray"), [("failed", True), ("unknown", True), ("destroyed", False)])
def test_only_an_emulator_that_ends_by_itself_is_worth_a_second_try(ending, stray):
    verdict = Scene().see(state=MachineState(situation="ended", ending=ending))
    assert isinstance(verdict, Failure)
    assert (verdict.culprit, verdict.stray) == ("host", stray)


def test_lines_without_a_count_bring_a_phase_nearer_to_its_end_and_never_past_it():
    console = Console(
        phases=(
            Phase(pattern=r"^Early", label="early", percent=10),
            Phase(pattern=r"^Step", label="steps", percent=50, until=60, creeps=True),
            Phase(pattern=r"^Late", label="late", percent=70),
        ),
        troubles=(),
    )
    judge = Judge(0.0, Classifier(console, PROOF), BORNE, reboots_allowed=False)
    text = b"Early\n" + b"Step\n" * 1000 + b"Late\nStep\n"
    shown = [step.percent for step in judge.observe(Observation(now=1.0, state=RUNNING, console=text))[0]]
    assert shown[:3] == [10, 50, 50.2]
    assert 59 < shown[-2] <= 60
    assert shown[-1] == 70
    assert len(shown) == 1002


def test_a_message_that_a_log_has_on_one_line_is_read_as_the_lines_that_it_was():
    judge = Judge(0.0, Classifier(CONSOLE, PROOF), BORNE, reboots_allowed=False)
    assert judge.observe(Observation(now=1.0, state=RUNNING, console=b"It said:#012#012ERROR\n"))[1] is None
    verdict = judge.observe(Observation(now=2.0, state=RUNNING, log=b"It said:#012#012 ERROR\n"))[1]
    assert verdict == Failure(reason="It failed.")
