"""`feedhandler ring`: what operators see of the shared memory, and do to it (docs/operations/ring.md).

It reads as any other reader does and disturbs no writer. Only `unlink` changes anything.
"""
