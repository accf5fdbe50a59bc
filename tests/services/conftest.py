"""Real counterparties: QuickFIX in processes of its own. Skipped, with the reason, where the wheel is missing."""

import importlib.util

import pytest
from harness import Program, free_port

NO_QUICKFIX = importlib.util.find_spec("quickfix") is None


@pytest.fixture
def quickfix_acceptor(tmp_path):
    """Start QuickFIX venues: `quickfix_acceptor(seed=1, symbols="A,B") -> Program`, its port in `.port`."""
    if NO_QUICKFIX:
        pytest.skip("quickfix-ssl has a wheel for Python 3.11 only")
    started = []

    def start(**options):
        port = options.setdefault("port", free_port())
        program = Program("quickfix_acceptor.py", tmp_path / f"acceptor{len(started)}", **options)
        program.port = port
        started.append(program)
        return program

    yield start
    for program in started:
        program.__exit__()


@pytest.fixture
def quickfix_initiator(tmp_path):
    """Start QuickFIX clients: `quickfix_initiator(port=..., heartbeat=1) -> Program`."""
    if NO_QUICKFIX:
        pytest.skip("quickfix-ssl has a wheel for Python 3.11 only")
    started = []

    def start(**options):
        program = Program("quickfix_initiator.py", tmp_path / f"initiator{len(started)}", **options)
        started.append(program)
        return program

    yield start
    for program in started:
        program.__exit__()
