"""What sysprep does to this family beyond the core's operations."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove
from imgpipe_el.kickstart.proof import PROOF_FILE

OPERATIONS = (
    Operation(
        name="installation-proof",
        description="Remove the file by which the kickstart shows that the installation came to its end.",
        steps=(Remove(patterns=(PROOF_FILE,)),),
        sealed=(Absent(patterns=(PROOF_FILE,)),),
    ),
)
