"""The table of moves, pinned pair by pair against one that was written by hand."""

import itertools

import pytest

from jobmon.core.constants import TaskInstanceStatus, TaskStatus, WorkflowRunStatus, WorkflowStatus
from jobmon.core.transitions import KINDS, TABLE, diagram, final, is_late, is_legal, sources, statuses

# Every legal move: from the letter on the left to each of those on the right. All other pairs are illegal.
EXPECTED = {
    "task": """
        G > Q A
        Q > I F
        I > O R D E
        O > R D E
        R > D E
        E > Q A F G
        A > Q F G
        F > G Q
        D >
    """,
    "task_instance": """
        I > O W R D E Z U X F T K
        O > R D E Z U X F T K
        R > D E Z U X F T K
        T > R O D E Z U X F K
        K > F D
        W >
        D >
        E >
        Z >
        U >
        X >
        F >
    """,
    "workflow_run": """
        G > B A
        B > I R D E S C H
        I > O R D E S C H
        O > R D E S C H
        R > D E S C H
        C > T
        H > T
        D >
        E >
        S >
        A >
        T >
    """,
    "workflow": """
        G > Q A
        A > Q G
        F > Q
        H > Q
        Q > I R D F H
        I > O R D F H
        O > R D F H
        R > D F H
        D >
    """,
}
FINAL = {"task": "DF", "task_instance": "DEFUWXZ", "workflow_run": "ADEST", "workflow": "ADFH"}
NAMES = {
    "task": TaskStatus,
    "task_instance": TaskInstanceStatus,
    "workflow_run": WorkflowRunStatus,
    "workflow": WorkflowStatus,
}
LETTERS = sorted(
    {letter for names in NAMES.values() for letter in vars(names).values() if isinstance(letter, str)}
)


def expected(kind: str) -> dict[str, list[str]]:
    rows = (line.split(">") for line in EXPECTED[kind].strip().splitlines())
    return {old.strip(): news.split() for old, news in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair_of_letters_is_legal_or_illegal_as_written_here(kind: str) -> None:
    table = expected(kind)
    letters = [letter for letter in LETTERS if len(letter) == 1]
    wrong = [
        (old, new)
        for old, new in itertools.product(letters, letters)
        if is_legal(kind, old, new) != (new in table.get(old, []))
    ]

    assert wrong == []
    assert set(statuses(kind)) == table.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_sources_are_the_left_sides_of_the_moves(kind: str) -> None:
    table = expected(kind)
    for new in (*table, "?"):
        assert sorted(sources(kind, new)) == sorted(old for old, news in table.items() if new in news)


@pytest.mark.parametrize("kind", KINDS)
def test_final_statuses_are_the_ones_that_only_a_resume_or_a_bind_leaves(kind: str) -> None:
    assert "".join(sorted(final(kind))) == FINAL[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_that_is_not_final_has_a_way_to_a_final_one(kind: str) -> None:
    ends = set(final(kind))
    reaching = set(ends)
    while more := {old for old, news in expected(kind).items() if reaching & set(news)} - reaching:
        reaching |= more

    assert reaching == set(statuses(kind))
    for status in set(statuses(kind)) - ends:
        assert expected(kind)[status], f"{kind} {status} has no way out"


@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_of_the_table_has_a_name_that_users_import(kind: str) -> None:
    assert set(statuses(kind)) <= {value for value in vars(NAMES[kind]).values() if isinstance(value, str)}


def test_nothing_leaves_done_and_no_move_goes_to_where_it_comes_from() -> None:
    assert not [move for move in TABLE if move.old == "D" or move.old == move.new]


def test_every_row_says_who_and_how_and_none_is_there_twice() -> None:
    assert len(set(TABLE)) == len(TABLE)
    assert {move.actor for move in TABLE} == {"client", "distributor", "worker", "engine", "server"}
    assert {move.verb for move in TABLE} == {
        "bind", "queue", "claim", "launch", "report", "absorb", "reconcile", "resume", "reap", "kill",
    }  # fmt: skip


@pytest.mark.promise("F10")
def test_a_report_is_late_when_the_attempt_is_over_or_ahead_of_it() -> None:
    """Exhaustive: any present status with any reported one."""
    letters = statuses("task_instance")
    late = {(old, new) for old in FINAL["task_instance"] for new in letters}
    late |= {(letter, letter) for letter in letters} | {("R", "O"), ("K", "O"), ("K", "R")}

    assert {(old, new) for old in letters for new in letters if is_late(old, new)} == late
    assert not [pair for pair in late if is_legal("task_instance", *pair)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_shows_each_move_once_with_all_its_words(kind: str) -> None:
    lines = diagram(kind).splitlines()
    arrows = {tuple(line.split(":")[0].split(" --> ")): line for line in (line.strip() for line in lines[1:])}

    assert lines[0] == "stateDiagram-v2"
    assert len(arrows) == len(lines) - 1
    for move in TABLE:
        if move.kind == kind:
            assert f"{move.verb} ({move.actor})" in arrows[move.old, move.new]
    assert {old for old, new in arrows if new == "[*]"} == set(final(kind))
    assert len(arrows) == sum(len(news) for news in expected(kind).values()) + len(final(kind))
