import dataclasses
import types

import pytest

from imgpipe import artifacts
from imgpipe.errors import PluginError, RecipeError
from imgpipe.events import Note
from imgpipe.hookspecs import hookimpl
from imgpipe.offline_edits import Operation
from imgpipe.os_family import Check, MediumMaker, OsFamily, System
from imgpipe.plugins import Plugins
from imgpipe.recipe import Recipe

SYSTEM = System(name="tiny1", title="Tiny", memory=1)
FAMILY = OsFamily(
    name="tiny", answer_kind="kickstart", systems=(SYSTEM,), prepare=lambda order: None, lint=lambda *_: ()
)
RECIPE = Recipe(name="tiny", os="tiny1")


def module(**hooks):
    made = types.SimpleNamespace()
    for name, function in hooks.items():
        setattr(made, name, hookimpl(function))
    return made


def test_imgpipe_os_families_makes_systems_known():
    plugins = Plugins([module(imgpipe_os_families=lambda: [FAMILY])])
    assert plugins.system("tiny1") == (FAMILY, SYSTEM)


def test_an_unknown_system_is_answered_with_the_nearest():
    plugins = Plugins([module(imgpipe_os_families=lambda: [FAMILY])])
    with pytest.raises(RecipeError) as caught:
        plugins.system("tiny2")
    assert "tiny1" in caught.value.hint


def test_two_plugins_that_claim_one_system_are_both_named():
    other = dataclasses.replace(FAMILY, name="other")
    plugins = Plugins([module(imgpipe_os_families=lambda: [FAMILY]), module(imgpipe_os_families=lambda: [other])])
    with pytest.raises(PluginError) as caught:
        _ = plugins.families
    assert "'tiny'" in str(caught.value)
    assert "'other'" in str(caught.value)


def test_imgpipe_medium_makers_are_known_by_name():
    maker = MediumMaker(name="m", summary="", make=lambda target, notify: None, fingerprint=lambda: "1")
    assert Plugins([module(imgpipe_medium_makers=lambda: [maker])]).makers == {"m": maker}
    with pytest.raises(PluginError, match="'m'"):
        _ = Plugins([module(imgpipe_medium_makers=lambda: [maker, maker])]).makers


def test_imgpipe_operations_and_imgpipe_checks_keep_the_order_of_registration():
    first, second = (Operation(name=name, description="x", steps=()) for name in ("first", "second"))
    check = Check(name="c", script="true")
    plugins = Plugins(
        [
            module(imgpipe_operations=lambda recipe: [first], imgpipe_checks=lambda recipe: [check]),
            module(imgpipe_operations=lambda recipe: [second]),
        ]
    )
    assert plugins.operations(RECIPE) == (first, second)
    assert plugins.checks(RECIPE) == (check,)


def test_an_observer_of_imgpipe_event_cannot_fail_a_build():
    heard = []

    def broken(event):
        raise RuntimeError

    def listens(event):
        heard.append(event)

    plugins = Plugins([module(imgpipe_event=broken), module(imgpipe_event=listens)])
    plugins.notify(Note(text="x"))
    assert heard == [Note(text="x")]


def test_imgpipe_commands_adds_to_the_command_line():
    import typer

    def commands(app):
        app.command("extra")(lambda: None)

    app = typer.Typer()
    Plugins([module(imgpipe_commands=commands)]).add_commands(app)
    assert [command.name for command in app.registered_commands] == ["extra"]


STAGES = {
    "imgpipe_render": ("render", ("family", "order"), "Unattended"),
    "imgpipe_seed": ("seed", ("plan", "medium", "workplace"), "SeedMedia"),
    "imgpipe_install": ("install", ("plan", "medium", "seed", "workplace"), "InstalledDisk"),
    "imgpipe_sysprep": ("sysprep", ("plan", "disk", "workplace"), "SealedDisk"),
    "imgpipe_verify": ("verify", ("plan", "disk", "workplace"), "VerifiedDisk"),
    "imgpipe_publish": ("publish", ("plan", "disk", "workplace"), "GoldenImage"),
}


@pytest.mark.parametrize("hook", STAGES)
def test_a_stage_that_answers_something_else_is_the_plugins_fault(hook):
    stage, arguments, kind = STAGES[hook]
    wrong = eval(f"lambda {', '.join(arguments)}: 'nonsense'")
    plugins = Plugins([module(**{hook: wrong})])
    with pytest.raises(PluginError, match=kind):
        getattr(plugins, stage)(*arguments)


def test_a_site_replaces_a_stage_of_the_core_and_may_wrap_it(tmp_path):
    made = artifacts.SeedMedia(folder=tmp_path, digests=())
    calls = []

    def of_the_core(plan, medium, workplace):
        calls.append("core")
        return made

    def wrapper(plan, medium, workplace):
        calls.append("before")
        result = yield
        calls.append("after")
        return result

    core, site = types.SimpleNamespace(), types.SimpleNamespace()
    core.imgpipe_seed = hookimpl(trylast=True)(of_the_core)
    site.imgpipe_seed = hookimpl(wrapper=True)(wrapper)
    assert Plugins([core, site]).seed("plan", "medium", "workplace") == made
    assert calls == ["before", "core", "after"]


def test_a_misspelt_hook_is_an_error_at_start(monkeypatch):
    def broken(manager, group):
        manager.register(module(imgpipe_instal=lambda plan: None))

    monkeypatch.setattr("pluggy.PluginManager.load_setuptools_entrypoints", broken)
    with pytest.raises(PluginError, match="imgpipe_instal"):
        Plugins.load()
