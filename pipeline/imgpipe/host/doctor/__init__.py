"""What can stop a build or a deploy on this host: each check gathers facts, judges them, and says what mends it.

A check is a pure function from facts to findings beside a small one that gathers the facts. Builds and deploys ask the
same checks before they start.
"""
