"""The paper's claim, taken apart into questions, each answered in a word and a sentence with numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etaflow._intervals import proportion_interval
from etaflow.reproduce._kit.answers import NO, OPEN, YES, Answer
from etaflow.reproduce._kit.text import count, interval, percent
from etaflow.reproduce.finnoff6.comparison import LEVEL
from etaflow.reproduce.finnoff6.verdicts import IN_A_MINIMUM, STUCK

if TYPE_CHECKING:
    from etaflow.reproduce.finnoff6.comparison import Comparison
    from etaflow.reproduce.finnoff6.findings import Findings

_CLAIMS = {
    (
        YES,
        NO,
    ): "What the paper saw is there. Its explanation, that batch training is stuck in local minima, is not what these runs show.",
    (YES, YES): "What the paper saw is there, and its explanation holds.",
    (YES, OPEN): "What the paper saw is there; whether its explanation holds is undecided.",
    (NO, NO): "Neither what the paper saw is there, nor its explanation.",
}

_NONE = " So there was no local minimum for SGD to escape from."


def answer_all(findings: Findings) -> tuple[Answer, ...]:
    """Answer the questions that there are runs for.

    Parameters
    ----------
    findings : Findings
        What was found.

    Returns
    -------
    tuple of Answer
        In the order of the summary: observation, explanation, equal time, better minima, other conditions.
    """
    if not findings.races:
        return ()
    answers = [_observation(findings)]
    if findings.stuck:
        answers.append(_explanation(findings))
    answers += [_time(findings), _cooled(findings)]
    if findings.rows:
        answers.append(_variations(findings))
    return tuple(answers)


def claim(answers: tuple[Answer, ...]) -> str:
    """Return what the first two answers make of the paper's claim.

    Parameters
    ----------
    answers : tuple of Answer
        Of `answer_all`.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> claim((Answer("", "yes", ""), Answer("", "no", "")))
    'What the paper saw is there. Its explanation, that batch training is stuck in local minima, is not what these runs show.'
    """
    return _CLAIMS.get((answers[0].word, answers[1].word), "These runs do not decide about the paper's claim.")


def judge(comparison: Comparison) -> str:
    """Return whether SGD ends lower in more than half of all starts.

    Parameters
    ----------
    comparison : Comparison
        The count.

    Returns
    -------
    {"yes", "no", "undecided"}
        ``undecided`` if the interval contains a half.
    """
    return judge_share(comparison.low, comparison.high)


def judge_share(low: float, high: float) -> str:
    """Return whether an interval of a probability lies above one half.

    Returns
    -------
    {"yes", "no", "undecided"}
        ``undecided`` if it contains a half.

    Examples
    --------
    >>> judge_share(0.6, 0.9), judge_share(0.1, 0.4), judge_share(0.4, 0.6)
    ('yes', 'no', 'undecided')
    """
    return YES if low > 0.5 else NO if high < 0.5 else OPEN


def in_words(comparison: Comparison) -> str:
    """Return a comparison in words.

    Returns
    -------
    str
        The count, the probability's interval, and the median ratio with its interval.
    """
    return (
        f"SGD ends lower from {count(comparison.lower)} of {count(comparison.total)} starts (probability "
        f"{interval(comparison.low, comparison.high, '.3f')}, {percent(LEVEL)}); batch training's error is "
        f"{comparison.ratio:.3g} times SGD's in the median ({interval(comparison.ratio_low, comparison.ratio_high)})."
    )


def _observation(findings: Findings) -> Answer:
    passes, best = findings.comparison("passes"), findings.comparison("best")
    multiples = sorted({race.multiple for race in findings.races})
    own = f"If batch training may take its own best step size ({_list(multiples)} times η), SGD ends lower from {best.lower} of {best.total}."
    question = "Does SGD end lower after equally many passes over the data?"
    return Answer(question, judge(passes), f"{in_words(passes)} {own}")


def _explanation(findings: Findings) -> Answer:
    stuck, found = findings.stuck, findings.count(*IN_A_MINIMUM)
    low, high = proportion_interval(found, stuck, level=LEVEL)
    unless = "" if findings.count(*IN_A_MINIMUM, "flat", "undecided") else _NONE
    sentence = (
        f"Of {count(stuck)} batch runs that ended more than {STUCK:g} times higher, {found} are in a local minimum, or on the way "
        f"into one above SGD's error (share {interval(low, high, '.3f')}). At {findings.concave} of them the Hessian has a "
        f"negative eigenvalue, which no local minimum has. {_going_on(findings)}{unless}"
    )
    return Answer("Is batch training in local minima there?", judge_share(low, high), sentence)


def _going_on(findings: Findings) -> str:
    later, path = findings.count("twice"), findings.count("downhill")
    words = f"If batch training goes on, {findings.count('time')} come as low as SGD by SGD's time t = kη"
    words += f", {later} more by twice that time" if later else ""
    return words + (f"; from {path} others `polish` goes on down below SGD." if path else ".")


def _time(findings: Findings) -> Answer:
    conditions = findings.settings.protocol.conditions
    sentence = (
        f"{conditions.epochs} passes are {count(conditions.steps)} steps of SGD, but {conditions.epochs} of batch training. With as many "
        f"steps, at {count(conditions.samples)} times the cost, it is at the same time t = {conditions.time:g}. Then "
        f"{in_words(findings.comparison('time'))}"
    )
    return Answer("Does SGD end lower at equal time?", judge(findings.comparison("time")), sentence)


def _cooled(findings: Findings) -> Answer:
    cooled = findings.comparison("cooled")
    sentence = (
        "SGD whose noise is switched off after that time, against batch training all along, both at twice the time: "
        + in_words(cooled)
    )
    return Answer("Does the noise lead to lower places?", judge(cooled), sentence)


def _variations(findings: Findings) -> Answer:
    parts, contrary = [], False
    for name, clock in (("after equally many passes", "passes"), ("at equal time", "time")):
        word = judge(getattr(findings.base, clock))
        words = {row.words: judge(getattr(row, clock)) for row in findings.rows}
        against = [row for row, other in words.items() if {other, word} == {YES, NO}]
        unsure = [row for row, other in words.items() if other == OPEN]
        same = len(words) - len(against) - len(unsure)
        part = f"{name.capitalize()} the answer is as above in {same} of {len(words)} variations"
        part += f", the opposite with {_list(against)}" if against else ", the opposite in none"
        parts.append(part + (f", and undecided by so few starts with {_list(unsure)}." if unsure else "."))
        contrary |= bool(against)
    return Answer("Does the answer hang on what the paper leaves open?", YES if contrary else NO, " ".join(parts))


def _list(items: list[int] | list[str]) -> str:
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
