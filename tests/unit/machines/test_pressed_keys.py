"""Keys pressed for a medium that asks for one."""

from imgpipe.machine_state import Activity, MachineState
from imgpipe.sizes import MIB
from imgpipe.stages.keys import KeyPresser


class Machine:
    def __init__(self) -> None:
        self.pressed: list[tuple[str, ...]] = []
        self.reboots = 0

    def press(self, keys) -> None:
        self.pressed.append(tuple(keys))

    def state(self) -> MachineState:
        return MachineState(situation="running", reboots=self.reboots)


class Scene:
    def __init__(self) -> None:
        self.now = 100.0
        self.machine = Machine()
        self.speaks = False
        self.press = KeyPresser(self.machine, ("KEY_ENTER",), lambda: self.speaks, lambda: self.now)

    def after(self, seconds: float, read: int = 0) -> int:
        """Let time pass in steps of the watch's; return how often keys were pressed."""
        before = len(self.machine.pressed)
        for _ in range(round(seconds / 0.4)):
            self.now += 0.4
            assert self.press(Activity(cpu_ns=0, disk_bytes=read)) is False
        return len(self.machine.pressed) - before


def test_a_key_is_pressed_about_once_a_second_for_a_bounded_time():
    scene = Scene()
    assert 15 <= scene.after(20) <= 21
    scene.after(60)
    assert scene.after(600) == 0


def test_nothing_is_pressed_once_the_medium_is_read_even_after_a_reboot():
    scene = Scene()
    assert scene.after(5)
    assert scene.after(5, read=32 * MIB) == 0
    scene.machine.reboots = 2
    assert scene.after(30, read=33 * MIB) == 0


def test_nothing_is_pressed_once_the_installer_speaks():
    scene = Scene()
    scene.speaks = True
    assert scene.after(10) == 0
    scene.speaks = False
    assert scene.after(10) == 0


def test_firmware_that_restarts_before_it_booted_gets_its_keys_again():
    scene = Scene()
    scene.after(100)
    scene.machine.reboots = 1
    assert scene.after(10) > 5


def test_a_machine_that_cannot_be_measured_is_left_alone():
    scene = Scene()
    assert scene.press(None) is False
    assert scene.machine.pressed == []
