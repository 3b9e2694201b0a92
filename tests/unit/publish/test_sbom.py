"""The SBOM: valid for strict readers, about the image, and with what scanners look packages up by."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from imgpipe import sbom
from imgpipe.artifacts import OsRelease, Package, SealedState
from imgpipe.os_release import os_release
from sample_images import sample_state

ROCKY = """NAME="Rocky Linux"
VERSION="9.7 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.7"
PRETTY_NAME="Rocky Linux 9.7 (Blue Onyx)"
CPE_NAME="cpe:/o:rocky:rocky:9::baseos"
HOME_URL="https://rockylinux.org/"
"""
UNKNOWN = SealedState(product="", distro="", version="", package_format="", operations=(), asserted=())


def bill_of(state):
    text = sbom.render("demo", "20260301.1", "a" * 64, datetime(2026, 3, 1, tzinfo=UTC), state)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


def component(bill, name):
    (found,) = (part for part in bill["components"] if part["name"] == name)
    return found


def purl_of(**package):
    state = replace(
        UNKNOWN,
        package_format=package.pop("format"),
        release=package.pop("release"),
        packages=(Package(**package),),
    )
    (found,) = (part for part in bill_of(state)["components"] if "purl" in part)
    return found["purl"]


def test_the_document_is_about_the_image_and_not_a_system_of_its_name():
    image = bill_of(sample_state())["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "demo", "20260301.1")
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


def test_the_system_is_a_component_by_its_own_word():
    bill = bill_of(replace(sample_state(), distro="rhel", version="9.0", release=os_release(ROCKY)))
    system = component(bill, "rocky")
    assert (system["type"], system["version"]) == ("operating-system", "9.7")
    assert system["description"] == "Rocky Linux 9.7 (Blue Onyx)"
    assert system["cpe"] == "cpe:/o:rocky:rocky:9::baseos"
    assert system["externalReferences"] == [{"type": "website", "url": "https://rockylinux.org/"}]


def test_the_image_is_made_of_the_system_and_the_system_of_packages():
    bill = bill_of(sample_state())
    of = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    packages = [part["bom-ref"] for part in bill["components"] if "purl" in part]
    assert of["image"] == ["system"]
    assert sorted(of["system"]) == sorted(packages)


def test_the_tool_is_named():
    (tool,) = bill_of(sample_state())["metadata"]["tools"]["components"]
    assert (tool["type"], tool["name"]) == ("application", "imgpipe")
    assert tool["version"]


@pytest.mark.parametrize(
    ("package", "purl"),
    [
        (
            {"format": "rpm", "name": "vim-minimal", "version": "2:8.2.2637-20.el9", "arch": "x86_64",
             "source": "vim-8.2.2637-20.el9.src.rpm", "release": OsRelease(id="almalinux", version="9.6")},
            "pkg:rpm/almalinux/vim-minimal@8.2.2637-20.el9?arch=x86_64&distro=almalinux-9.6&epoch=2"
            "&upstream=vim-8.2.2637-20.el9.src.rpm",
        ),
        (
            {"format": "rpm", "name": "bash", "version": "5.1.8-6.oe2203", "arch": "x86_64",
             "release": OsRelease(id="openEuler", version="22.03")},
            "pkg:rpm/openeuler/bash@5.1.8-6.oe2203?arch=x86_64&distro=openeuler-22.03",
        ),
        (
            {"format": "deb", "name": "libstdc++6", "version": "1:12.2.0-14+deb12u1", "arch": "amd64",
             "source": "gcc-12@12.2.0-14", "release": OsRelease(id="debian", version="12")},
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
            "&upstream=gcc-12%4012.2.0-14",
        ),
        (
            {"format": "deb", "name": "bash", "version": "5", "arch": "amd64", "source": "bash",
             "release": OsRelease(id="debian")},
            "pkg:deb/debian/bash@5?arch=amd64&distro=debian",
        ),
        (
            {"format": "apk", "name": "musl-utils", "version": "1.2.4-r2", "arch": "x86_64", "source": "musl",
             "release": OsRelease(id="alpine", version="3.20.1")},
            "pkg:apk/alpine/musl-utils@1.2.4-r2?arch=x86_64&distro=alpine-3.20.1&upstream=musl",
        ),
    ],
)  # fmt: skip
def test_a_package_is_named_as_the_purl_specification_says_for_its_type(package, purl):
    made = purl_of(**package)
    assert PackageURL.from_string(made) == PackageURL.from_string(purl)


@pytest.mark.parametrize(
    ("package", "told"),
    [
        (
            Package(name="vim-minimal", version="2:8.2-20.el9", source="vim-8.2-20.el9.src.rpm"),
            {"SrcName": "vim", "SrcVersion": "8.2", "SrcRelease": "20.el9", "SrcEpoch": "2"},
        ),
        (Package(name="libc6", version="2.36-9", source="glibc"), {"SrcName": "glibc", "SrcVersion": "2.36-9"}),
        (Package(name="bash", version="5-2+b8", source="bash@5-2"), {"SrcName": "bash", "SrcVersion": "5-2"}),
        (Package(name="a", version="1"), {}),
    ],
)
def test_trivy_is_told_what_a_package_was_built_of_in_its_own_way(package, told):
    found = component(bill_of(replace(UNKNOWN, package_format="rpm", packages=(package,))), package.name)
    names = {one["name"].removeprefix("aquasecurity:trivy:"): one["value"] for one in found.get("properties", ())}
    assert names == told


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ("MIT", {"license": {"id": "MIT"}}),
        ("GPL-3.0-or-later AND MIT", {"expression": "GPL-3.0-or-later AND MIT"}),
        ("GPLv2+ and Public Domain", {"license": {"name": "GPLv2+ and Public Domain"}}),
    ],
)
def test_licence_and_supplier_are_those_of_the_package(licence, told):
    package = Package(name="a", version="1", supplier="Rocky Enterprise Software Foundation", licence=licence)
    found = component(bill_of(replace(UNKNOWN, package_format="rpm", packages=(package,))), "a")
    assert found["supplier"] == {"name": "Rocky Enterprise Software Foundation"}
    (one,) = found["licenses"]
    one.pop("acknowledgement", None)
    assert {key: {k: v for k, v in value.items() if k != "acknowledgement"} if isinstance(value, dict) else value
            for key, value in one.items()} == told  # fmt: skip


def test_what_is_not_known_is_said_and_not_passed_over():
    bill = bill_of(UNKNOWN)
    assert bill["metadata"]["component"]["properties"] == [{"name": "imgpipe:packages", "value": "not known"}]
    assert component(bill, "unknown")["type"] == "operating-system"
    assert "properties" not in bill_of(sample_state())["metadata"]["component"]


def test_what_a_hostile_system_says_of_itself_makes_no_invalid_document():
    release = os_release(
        'ID="a b\x1b[31m/../"\nVERSION_ID="\u202e1"\nCPE_NAME="cpe:/o:<x>"\nHOME_URL="javascript:alert(1)"\n'
    )
    package = Package(name="p\x07/../q", version="1\n2", source="\x00", supplier="\x1b]0;x", licence="\x1b" + "(" * 900)
    bill = bill_of(replace(UNKNOWN, package_format="rpm", release=release, packages=(package,)))
    assert "\x1b" not in json.dumps(bill, ensure_ascii=False)
    (system,) = (part for part in bill["components"] if part["type"] == "operating-system")
    assert not {"cpe", "externalReferences"} & set(system)


def test_equal_images_get_equal_documents():
    shuffled = replace(sample_state(), packages=tuple(reversed(sample_state().packages)))
    assert bill_of(sample_state()) == bill_of(shuffled)


def test_a_line_of_an_os_release_that_is_damaged_costs_that_line_alone():
    assert os_release("NAME=\"Kylin\nID=kylin\n# a comment=1\nVERSION_ID='V10'\n") == OsRelease(
        id="kylin", version="V10"
    )


@pytest.mark.parametrize("name", ["", "\x01", " ", "/", "//", "\u202e"])
def test_a_package_without_a_name_is_left_out(name):
    state = replace(sample_state(), packages=(Package(name=name, version="1"), Package(name="bash", version="5")))
    assert [part["name"] for part in bill_of(state)["components"] if "purl" in part] == ["bash"]


def test_a_package_is_registered_once_and_not_looked_for_among_all_others(monkeypatch):
    looked, equal = [], BomRef.__eq__
    monkeypatch.setattr(BomRef, "__eq__", lambda one, other: looked.append(one) or equal(one, other))
    bill_of(replace(sample_state(), packages=tuple(Package(name=f"p{n}", version="1") for n in range(400))))
    assert len(looked) < 400 * 100
