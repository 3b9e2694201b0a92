"""Which texts are searched for in a sealed disk."""

import pytest
from sealing import Proof, plan

from imgpipe.sealed_secrets import passwords

HASH = "$6$abcdefgh$0123456789ABCDEFabcdef./"
YESCRYPT = "$y$j9T$abcdefgh$0123456789ABCDEF"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"rootpw --iscrypted {HASH}\n", (HASH,)),
        ("rootpw --plaintext hunter22\n", ("hunter22",)),
        ("user --name=a --password=hunter22 --plaintext\n", ("hunter22",)),
        ("d-i passwd/root-password password hunter22\n", ("hunter22",)),
        (f"d-i passwd/root-password-crypted password {HASH}\n", (HASH,)),
        (f'identity:\n  password: "{YESCRYPT}"\n', (YESCRYPT,)),
        (
            "<Value>YQBiAGMAZABlAGYAUABhAHMAcwB3AG8AcgBkAA==</Value>",
            ("YQBiAGMAZABlAGYAUABhAHMAcwB3AG8AcgBkAA==", "abcdef"),
        ),
        ("<u:Value>\n hunter22 </u:Value>", ("hunter22",)),
        ("d-i mirror/http/proxy string http://me:hunter22@proxy:3128\n", ("hunter22",)),
        ("proxy: http://me:hunter@22@proxy:3128/\n", ("hunter@22",)),
        ('url --url="https://mirror/el9"\n', ()),
        ("rootpw --lock\npoweroff\n", ()),
        ("rootpw abc\n", ()),
    ],
)
def test_hashes_and_plain_passwords_of_every_kind_of_answer_file_are_found(text, expected):
    proof = Proof(console="", failure="", file="", content="")
    assert passwords(plan(text, proof)) == expected
