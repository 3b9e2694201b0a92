"""Where a sealed disk is searched: each place of which it is known that an installer leaves answers there."""

import pytest
from fake_libguestfs import FakeGuestFS

from imgpipe.guest_worker.files import MOST_BYTES, Files
from imgpipe.sealed_secrets import SECRET_PLACES

HASH = "$6$saltsalt$" + "h" * 86

# Anaconda (data/post-scripts, pyanaconda's kickstart tasks), debian-installer (finish-install, cdebconf, debconf),
# subiquity, curtin, cloud-init, and what people's own scripts write. At least one for each pattern.
KNOWN = (
    *("/original-ks.cfg", "/ks.cfg", "/preseed.cfg", "/autoinstall.yaml", "/.autoinstall.yaml"),
    *("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/loader/entries/0-6.1.conf", "/boot/extlinux.conf"),
    *("/etc/shadow-", "/etc/default/grub", "/etc/kernel/cmdline", "/etc/sysconfig/anaconda"),
    *("/etc/apt/apt.conf", "/etc/apt/apt.conf.d/90curtin-aptproxy", "/etc/yum.repos.d/site.repo"),
    *("/etc/cloud/ds-identify.cfg", "/etc/cloud/cloud.cfg.d/99-installer.cfg"),
    *("/etc/cloud/cloud.cfg.d/90-installer-network.cfg", "/etc/cloud/cloud.cfg"),
    *("/root/anaconda-ks.cfg", "/root/original-ks.cfg", "/root/initial-setup-ks.cfg", "/root/ks-post.log"),
    *("/root/install/ks.cfg", "/root/.bash_history", "/home/ops/user-data", "/home/ops/.bash_history"),
    *("/tmp/ks-script-abc123", "/tmp/anaconda-x/ks.cfg", "/tmp/.preseed", "/var/tmp/preseed.cfg", "/tmp/a/b/c"),
    *("/var/tmp/a/ks.cfg", "/var/tmp/a/b/ks.cfg"),
    *("/run/ks.cfg", "/run/install/ks.cfg", "/run/cloud-init/instance-data-sensitive.json", "/run/a/b/c"),
    *("/var/backups/shadow.bak", "/var/cache/debconf/passwords.dat", "/var/cache/debconf/config.dat-old"),
    *("/var/crash/1700000000.install_fail.crash", "/var/lib/cdebconf/questions.dat"),
    *("/var/lib/cloud/data/result.json", "/var/lib/cloud/instances/id/user-data.txt"),
    *("/var/lib/cloud/x", "/var/lib/cloud/seed/nocloud/user-data", "/var/lib/cloud/instances/id/scripts/part-001"),
    *("/var/lib/cloud/instances/id/handlers/a/b", "/var/lib/cloud/instances/id/user-data.txt.i"),
    *("/var/lib/debian-installer/menudb", "/var/lib/debian-installer/a/b", "/var/lib/debian-installer/a/b/c"),
    *("/var/lib/initramfs-tools/preseed", "/var/lib/initramfs-tools/.preseed.cfg"),
    *("/var/log/syslog", "/var/log/cloud-init-output.log", "/var/log/cloud-init.log", "/var/log/installer/syslog"),
    *("/var/log/anaconda/journal.log", "/var/log/anaconda/ks-script-x1.log", "/var/log/anaconda.log"),
    *("/var/log/anaconda/pre-anaconda-logs/a.log", "/var/log/anaconda/dnf_debugdata/a/b/c.log"),
    *("/var/log/installer/autoinstall-user-data", "/var/log/installer/subiquity-server-debug.log"),
    *("/var/log/installer/cdebconf/questions.dat", "/var/log/installer/cdebconf/templates.dat"),
    *("/var/log/installer/curtin-install/subiquity-curthooks.conf", "/var/log/installer/installer-journal.txt"),
    *("/var/log/debian-installer/cdebconf/questions.dat",),
    *("/var/log/1/2/3/4", "/var/log/1/2/3/4/5", "/var/log/1/2/3/4/5/6", "/var/log/1/2/3/4/5/6/7"),
    *("/var/log/1/2/3/4/5/6/7/8",),
)


def found(root, path, patterns=SECRET_PLACES, text=f"password: {HASH}\n"):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return Files(FakeGuestFS(root)).search(list(patterns), [HASH])


@pytest.mark.parametrize("path", KNOWN)
def test_every_place_where_an_installer_leaves_answers_is_searched(tmp_path, path):
    assert found(tmp_path, path) == [path]


@pytest.mark.parametrize("pattern", SECRET_PLACES)
def test_no_pattern_can_go(tmp_path, pattern):
    others = [other for other in SECRET_PLACES if other != pattern]
    lost = [path for number, path in enumerate(KNOWN) if not found(tmp_path / str(number), path, others)]
    assert lost


@pytest.mark.parametrize("offset", [0, MOST_BYTES - 40, 3 * MOST_BYTES + 17])
def test_a_long_log_is_searched_to_its_end(tmp_path, offset):
    text = "x" * offset + HASH + "\n"
    assert found(tmp_path, "/var/log/installer/syslog", text=text) == ["/var/log/installer/syslog"]
    assert not found(tmp_path, "/var/log/installer/syslog", text=text.replace(HASH, HASH[:-1]))
