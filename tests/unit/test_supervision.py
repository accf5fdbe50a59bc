"""What a supervisor decides, step by step, with a clock that the test holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.supervision import Child, ChildState, SupervisorState, describe_exit

SECOND = 1_000_000_000
MS = 1_000_000
NAMES = ("handler1", "handler2", "conflator", "bridge", "recorder")
STAGES = (0, 0, 1, 2, 3)


def all_five() -> SupervisorState:
    return SupervisorState(Child(name=n, kind=n.rstrip("12"), stage=s) for n, s in zip(NAMES, STAGES, strict=True))


def step(state: SupervisorState, now_ns: int) -> list[str]:
    """Poll, carry out the starts, and return what was asked for."""
    actions = state.poll(now_ns)
    for action in actions:
        if action.what == "start":
            state.started(action.child.name, 100 + NAMES.index(action.child.name), now_ns)
    return [f"{action.what} {action.child.name}" for action in actions]


def running(now_ns: int = 0) -> SupervisorState:
    state = all_five()
    assert step(state, now_ns) == [f"start {name}" for name in NAMES]
    return state


def test_everything_is_started_once() -> None:
    state = running()
    assert step(state, 60 * SECOND) == []
    assert state.next_timer_ns() is None
    assert not state.finished


def test_backoff_doubles_to_five_seconds_and_is_exact() -> None:
    state = running()
    now = 0
    waits = []
    for _ in range(8):
        state.exited("bridge", -9, now)
        timer = state.next_timer_ns()
        assert timer is not None
        waits.append((timer - now) // MS)
        assert step(state, timer - 1) == []
        assert step(state, timer) == ["start bridge"]
        now = timer
    assert waits == [100, 200, 400, 800, 1600, 3200, 5000, 5000]
    assert state.children["bridge"].restarts == 8
    assert state.children["bridge"].last_exit == "signal SIGKILL"


@pytest.mark.parametrize(("healthy_ns", "wait_ms"), [(10 * SECOND, 100), (10 * SECOND - 1, 800)])
def test_ten_healthy_seconds_reset_the_backoff(healthy_ns: int, wait_ms: int) -> None:
    state = running()
    now = 0
    for _ in range(3):
        state.exited("bridge", 1, now)
        now = state.next_timer_ns() or 0
        step(state, now)
    state.exited("bridge", 1, now + healthy_ns)
    assert state.next_timer_ns() == now + healthy_ns + wait_ms * MS


def test_a_clean_exit_nobody_asked_for_is_a_restart_too() -> None:
    state = running()
    state.exited("recorder", 0, 20 * SECOND)
    assert step(state, 21 * SECOND) == ["start recorder"]


def test_the_stop_goes_stage_by_stage() -> None:
    state = running()
    state.stop()
    assert step(state, 1) == ["terminate handler1", "terminate handler2"]
    state.exited("handler1", 0, 2)
    assert step(state, 2) == []
    state.exited("handler2", 0, 3)
    assert step(state, 3) == ["terminate conflator"]
    state.exited("conflator", 0, 4)
    assert step(state, 4) == ["terminate bridge"]
    state.exited("bridge", 0, 5)
    assert step(state, 5) == ["terminate recorder"]
    state.exited("recorder", 0, 6)
    assert step(state, 6) == []
    assert (state.finished, state.exit_code) == (True, 0)


def test_what_outlives_its_limit_is_killed_once_and_told() -> None:
    state = running()
    state.stop()
    step(state, 0)
    state.exited("handler1", 0, 1)
    assert state.next_timer_ns() == 5 * SECOND
    assert step(state, 5 * SECOND - 1) == []
    assert step(state, 5 * SECOND) == ["kill handler2"]
    assert step(state, 6 * SECOND) == []
    state.exited("handler2", -9, 7 * SECOND)
    assert step(state, 7 * SECOND) == ["terminate conflator"]
    assert state.exit_code == 1


def test_a_bad_configuration_of_one_stops_all() -> None:
    state = running()
    state.exited("bridge", 2, SECOND)
    assert step(state, SECOND) == ["terminate handler1", "terminate handler2"]
    for name in ("handler1", "handler2", "conflator", "recorder"):
        state.exited(name, 0, SECOND)
        step(state, SECOND)
    assert (state.finished, state.exit_code) == (True, 2)


def test_a_stop_while_some_wait_for_their_restart() -> None:
    state = running()
    state.exited("handler1", -11, 0)
    state.exited("handler2", -11, 0)
    state.stop()
    assert step(state, 10 * SECOND) == ["terminate conflator"]
    assert state.children["handler1"].state is ChildState.STOPPED


def test_a_stop_before_anything_was_started_is_finished() -> None:
    state = all_five()
    state.stop()
    assert (step(state, 0), state.finished) == ([], True)


@pytest.mark.parametrize(
    ("code", "text"), [(0, "exit code 0"), (-15, "signal SIGTERM"), (-64, "signal SIGRTMAX"), (-99, "signal 99")]
)
def test_exits_in_words(code: int, text: str) -> None:
    assert describe_exit(code) == text


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3 * SECOND), st.integers(-20, 3)), max_size=60))
def test_any_history_ends_stopped_and_nothing_runs_twice(history: list[tuple[int, int, int]]) -> None:
    state = all_five()
    alive: set[str] = set()
    now = 0

    def act() -> None:
        for action in state.poll(now):
            name = action.child.name
            if action.what == "start":
                assert name not in alive
                assert not state.stopping
                alive.add(name)
                state.started(name, 1, now)
            else:
                assert name in alive
                stage = state.children[name].stage
                assert all(state.children[other].stage >= stage for other in alive)

    def end(name: str, code: int) -> None:
        alive.discard(name)
        state.exited(name, code, now)

    for who, wait, code in history:
        act()
        if who < 5 and NAMES[who] in alive:
            end(NAMES[who], code)
        now += wait
    state.stop()
    for _ in range(20):
        act()
        ending = [n for n in alive if state.children[n].state is ChildState.STOPPING]
        for name in ending:
            end(name, 0)
    assert not alive
    assert state.finished
