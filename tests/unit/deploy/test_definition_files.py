"""Which files a definition names: what may lie below a disk is not known before its definition says that it is raw."""

from imgpipe.deploy.definition_files import named_files

XML = """<domain><name>db</name><uuid>u</uuid>
<os><loader>/usr/share/CODE.fd</loader><nvram>/var/db_VARS.fd</nvram></os><devices>
<disk type='file' device='disk'><driver type='qcow2'/><source file='/srv/first.qcow2'/></disk>
<disk type='file' device='disk'><driver type='raw'/><source file='/srv/raw.img'/></disk>
<disk type='file' device='disk'><driver type='vmdk'/><source file='/srv/other.vmdk'/></disk>
<disk type='file' device='disk'><source file='/srv/unsaid'/></disk>
<disk type='block' device='disk'><driver type='qcow2'/><source dev='/dev/vg/lv'/></disk>
<disk type='volume' device='disk'><driver type='qcow2'/><source pool='p' volume='v.qcow2'/></disk>
<serial type='file'><source path='/var/log/db.log'/></serial></devices></domain>"""


def test_every_path_and_volume_of_all_definitions_is_named():
    live = XML.replace("/srv/first.qcow2", "/srv/snapshot")
    named = named_files(XML, live)
    assert (named.name, named.uuid) == ("db", "u")
    assert named.disks == ("/srv/first.qcow2", "/srv/snapshot")
    assert named.nvram == {"/var/db_VARS.fd"}
    assert named.files == {
        "/usr/share/CODE.fd", "/var/db_VARS.fd", "/srv/first.qcow2", "/srv/snapshot", "/srv/raw.img",
        "/srv/other.vmdk", "/srv/unsaid", "/dev/vg/lv", "v.qcow2", "/var/log/db.log",
    }  # fmt: skip


def test_only_a_disk_that_is_raw_has_surely_nothing_below_it():
    assert named_files(XML).overlays - {""} == {"/srv/first.qcow2", "/srv/other.vmdk", "/srv/unsaid", "/dev/vg/lv"}
