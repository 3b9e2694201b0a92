"""What virt-install has other values for."""

import pytest

from imgpipe.cli.virt_words import refuse_values_of_virt_install
from imgpipe.errors import RecipeError


def test_values_of_virt_install_are_told_with_what_is_written_here():
    with pytest.raises(RecipeError) as caught:
        refuse_values_of_virt_install(
            "path=/srv/vm001.qcow2,size=20,bus=virtio,cache=none",
            ["bridge=br1,model=virtio", "network=default", "model=e1000", "default"],
        )
    assert caught.value.details == (
        "--network: that is written '--bridge br1'; every NIC is virtio",
        "--network: that is written '--network default'; every NIC is virtio",
        "--network: names a network of libvirt; a bridge is written '--bridge br1'",
        "--disk: is a size alone, such as '--disk 20G'; file, bus and cache mode are imgpipe's",
    )


@pytest.mark.parametrize(("disk", "networks"), [(None, None), ("40G", ["default"]), ("40", [])])
def test_values_of_imgpipes_own_are_not_looked_at_here(disk, networks):
    refuse_values_of_virt_install(disk, networks)
