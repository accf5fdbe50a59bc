"""The recorder: rings to journal to sinks (docs/contracts/journal.md is the contract)."""
