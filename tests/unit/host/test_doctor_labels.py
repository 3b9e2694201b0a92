"""Labels of folders: judged by the policy, and mended by semanage and restorecon that do as the real ones."""

import re
from pathlib import Path

import pytest

from imgpipe.adapters import process, selinux
from imgpipe.cli import doctor
from imgpipe.errors import HostError
from imgpipe.host.doctor import labels

REFUSED = ("virtqemud_t: relabelfrom of a file",)
OURS = {"virt_image_t", "virt_content_t", "svirt_image_t"}


class Host:
    """Labels, the policy's own rules, and those of semanage; `run` is what a command line does to them."""

    def __init__(self, folders):
        self.labels = {str(path): kind for path, kind in folders.items()}
        self.local = {}
        self.ran = []

    def run(self, *argv, heard=None, timeout_s=0):
        self.ran.append(argv)
        match argv:
            case ["mkdir", "-p", folder]:
                self.labels.setdefault(folder, "var_lib_t")
            case ["semanage", "fcontext", "-a" | "-m" as verb, "-t", kind, expression]:
                if " " in expression or (verb == "-a") == (expression in self.local):
                    raise HostError("The program 'semanage' failed with exit code 1.")
                self.local[expression] = kind
            case ["restorecon", "-R", folder]:
                for path in self.labels:
                    if Path(folder) in (Path(path), *Path(path).parents):
                        self.labels[path] = self._by_rules(path)
            case _:
                raise AssertionError(argv)

    def _by_rules(self, path):
        rules = {r"/var/lib/libvirt/images(/.*)?": "virt_image_t", r"/var/lib(/.*)?": "var_lib_t", **self.local}
        order = [*self.local, *(rule for rule in rules if rule not in self.local)]
        return next((rules[rule] for rule in order if re.fullmatch(rule, path)), "default_t")


@pytest.fixture
def host(monkeypatch):
    def make(folders):
        made = Host(folders)
        monkeypatch.setattr(selinux, "enforces", lambda: True)
        monkeypatch.setattr(selinux, "type_of", lambda path: made.labels[str(path)])
        monkeypatch.setattr(selinux, "keeps_labels", lambda path: not made.labels[str(path)].endswith("fs_t"))
        monkeypatch.setattr(selinux, "refused_to_machines", lambda kind, keeps_labels: () if kind in OURS else REFUSED)
        monkeypatch.setattr(selinux, "own_rules", lambda: tuple(f"{rule} x:y:z" for rule in made.local))
        monkeypatch.setattr(labels, "there", lambda path: path)
        monkeypatch.setattr(process, "is_installed", lambda program: True)
        monkeypatch.setattr(process, "follow", made.run)
        return made

    return make


def look(folders, own="/nowhere", *, root=True, **more):
    return tuple(labels.find([(Path(path), use) for path, use in folders], Path(own), system=True, root=root, **more))


@pytest.mark.parametrize(
    ("folder", "use", "own", "becomes"),
    [
        ("/data/imgpipe/images", "disks", "/data/imgpipe", "virt_image_t"),
        ("/data/imgpipe/media", "media", "/data/imgpipe", "virt_image_t"),
        ("/data/a.b+c d/images", "disks", "/data/a.b+c d", "virt_image_t"),
        ("/data/pool", "disks", "/other", "virt_image_t"),
        ("/data/iso", "media", "/other", "virt_content_t"),
        ("/var/lib/libvirt/images/vms", "disks", "/other", "virt_image_t"),
    ],
)
def test_a_folder_that_machines_are_kept_out_of_is_mended_once_and_stays_so(host, folder, use, own, becomes):
    made = host({folder: "default_t", own: "default_t", f"{own}x": "default_t"})
    (found,) = look([(folder, use)], own)
    assert found.state == "fail"
    assert REFUSED[0] in found.meaning
    assert doctor._mend([found], yes=True)
    assert made.labels[folder] == becomes
    # The expression is for this folder and nothing beside it.
    assert made.labels[f"{own}x"] == "default_t"
    (found,) = look([(folder, use)], own)
    assert found.state == "ok"
    assert not doctor._mend([found], yes=True)


def test_what_lies_with_libvirts_own_needs_no_rule(host):
    made = host({"/var/lib/libvirt/images/vms": "default_t"})
    assert doctor._mend(look([("/var/lib/libvirt/images/vms", "disks")]), yes=True)
    assert made.ran == [("restorecon", "-R", "/var/lib/libvirt/images/vms")]


def test_a_rule_that_is_there_already_is_changed(host):
    made = host({"/data/pool": "default_t"})
    made.local[labels.pattern(Path("/data/pool"))] = "default_t"
    assert doctor._mend(look([("/data/pool", "disks")]), yes=True)
    assert made.ran[0][2] == "-m"
    assert made.labels["/data/pool"] == "virt_image_t"


@pytest.mark.parametrize(
    ("folder", "kind", "commands"),
    [
        ("/srv/www", "httpd_sys_content_t", "semanage fcontext -a -t virt_content_t '/srv/www(/.*)?'"),
        ("/srv", "var_t", "semanage fcontext -a -t virt_content_t '/srv(/.*)?'"),
        ("/mnt/iso", "nfs_t", "setsebool -P virt_use_nfs on"),
    ],
)
def test_what_somebody_may_want_as_it_is_is_told_and_left_alone(host, folder, kind, commands):
    host({folder: kind})
    (found,) = look([(folder, "media")])
    assert found.commands[0] == commands
    assert not found.repairs


def test_who_is_not_root_mends_by_sudo(host):
    host({"/data/pool": "default_t"})
    (found,) = look([("/data/pool", "disks")], root=False)
    assert len(found.repairs) == 2
    assert all(command.startswith("sudo ") for command in found.commands)
    assert all(repair[0] != "sudo" for repair in found.repairs), "doctor says how it runs them"
    (found,) = look([("/data/pool", "disks")], root=True)
    assert not any(command.startswith("sudo ") for command in found.commands)


def test_folders_of_media_that_nobody_may_use_are_warned_of(host):
    host({"/data/iso": "default_t", "/data/pool": "default_t"})
    found = look([("/data/iso", "media"), ("/data/pool", "disks")], perhaps=True)
    assert [one.state for one in found] == ["warn", "fail"]


def test_the_data_root_is_told_of_once_for_each_label(host):
    host({"/data/images": "default_t", "/data/work": "default_t", "/data/machines": "virt_image_t"})
    found = look([(f"/data/{name}", "disks") for name in ("images", "work", "machines")], "/data")
    assert [one.state for one in found] == ["fail", "ok"]


def test_a_policy_that_cannot_be_asked_is_not_called_good(host, monkeypatch):
    host({"/data/pool": "default_t"})
    monkeypatch.setattr(selinux, "refused_to_machines", lambda kind, keeps_labels: None)
    (found,) = look([("/data/pool", "disks")])
    assert found.state == "unknown"


def test_what_mends_is_installed_first_where_it_is_not(host, monkeypatch):
    host({"/data/pool": "default_t", "/var/lib/libvirt/images": "default_t"})
    monkeypatch.setattr(process, "is_installed", lambda program: False)
    monkeypatch.setattr(labels, "_installs", lambda: {"semanage": "dnf install policycoreutils-python-utils"})
    assert look([("/data/pool", "disks")])[0].commands[0] == "dnf install policycoreutils-python-utils"
    assert look([("/var/lib/libvirt/images", "disks")])[0].commands == ("restorecon -R /var/lib/libvirt/images",)


def test_the_rules_of_semanage_are_read_from_the_policy_in_use(tmp_path):
    folder = tmp_path / "mls/contexts/files"
    folder.mkdir(parents=True)
    (tmp_path / "config").write_text("# SELINUXTYPE=targeted\nSELINUX=enforcing\nSELINUXTYPE=mls\n")
    assert selinux.own_rules(tmp_path) == ()
    lines = "# This file is auto-generated by libsemanage\n\n/data(/.*)?    system_u:object_r:virt_image_t:s0\n"
    (folder / "file_contexts.local").write_text(lines)
    assert selinux.own_rules(tmp_path) == ("/data(/.*)? system_u:object_r:virt_image_t:s0",)


def test_switches_are_read_as_they_are_in_force(tmp_path):
    (tmp_path / "booleans").mkdir()
    (tmp_path / "booleans" / "virt_use_nfs").write_text("1 0")
    assert selinux.switches(("virt_use_nfs", "virt_use_samba"), tmp_path) == {"virt_use_nfs": "on"}
