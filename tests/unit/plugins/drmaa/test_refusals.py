import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.refusals import Meaning
from jobmon_drmaa.refusals import in_short, meaning

# Words of a real Grid Engine 8.1.9, or of its message files.
WORDS = [
    (Meaning.FATAL, 'Job was rejected because job requests unknown queue "nix"'),
    (Meaning.FATAL, "error: no suitable queues"),
    (Meaning.FATAL, 'job rejected: the requested project "nix" does not exist'),
    (Meaning.FATAL, 'job rejected: the requested parallel environment "nix" does not exist'),
    (Meaning.FATAL, 'unknown resource "foo"'),
    (Meaning.FATAL, 'attribute "h_rt" is not a time value'),
    (Meaning.FATAL, 'invalid option argument "-bogus"\n'),
    (Meaning.FATAL, 'denied: "1abc" is not a valid object name (cannot start with a digit)'),
    (Meaning.FATAL, "Slash ('/') not allowed in objectname"),
    (Meaning.FATAL, "-P option must have argument\n"),
    (Meaning.FATAL, '"job" rejected: pe range must be greater than zero'),
    (Meaning.FATAL, "job rejected: positive submission priority requires operator privileges"),
    (Meaning.FATAL, 'denied: host "login3" is neither submit nor admin host'),
    (Meaning.FATAL, 'job rejected: no access to project "x" for user "ann"'),
    (Meaning.TOO_LARGE, "job rejected: you tried to submit a job with more than 75000 tasks"),
    (Meaning.LATER, "job rejected: only 3 jobs are allowed per user (current job count: 3)"),
    (Meaning.LATER, "job rejected: only 5000 jobs are allowed per cluster"),
    (Meaning.LATER, "job 7 was rejected because it couldn't be written"),
    (Meaning.UNREACHABLE, 'unable to send message to qmaster using port 12014 on host "q": got send error'),
    (Meaning.UNREACHABLE, "error: commlib error: got select error (Connection refused)"),
    (Meaning.UNREACHABLE, 'getting configuration: unable to contact qmaster using port 12014 on host "q"'),
    (Meaning.UNREACHABLE, "critical error: Please set the environment variable SGE_ROOT."),
    (Meaning.UNREACHABLE, 'error: cell directory "/nix" doesn\'t exist'),
    (Meaning.UNREACHABLE, 'error: SGE_ROOT directory "/nix" doesn\'t exist'),
    (
        Meaning.UNCLEAR,
        "failed receiving gdi request response for mid=1 (got syncron message receive timeout error).",
    ),
    (Meaning.UNCLEAR, "Error reading answer list from qmaster"),
    (Meaning.UNKNOWN, "It is Monday"),
    (Meaning.UNKNOWN, ""),
]


@pytest.mark.promise("F53 F54 F56")
@pytest.mark.parametrize(("found", "words"), WORDS)
def test_what_words_mean(found, words):
    assert meaning(words) is found


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("code 17: error: no suitable queues", "no suitable queues"),
        ("error: commlib error: got select error\nerror: unable\n\n", "commlib error: got select error; unable"),
        ("critical error: Please set SGE_ROOT.", "Please set SGE_ROOT."),
        ("twice\ntwice\n", "twice"),
        ("", "(no words)"),
        (" \n", "(no words)"),
    ],
)
def test_an_error_in_short(text, short):
    assert in_short(text) == short


@given(st.text())
def test_any_words_have_a_meaning(text):
    assert meaning(text) in Meaning
    assert "\n" not in in_short(text)
