"""The commonest message of each kind of failure."""

from hypothesis import given
from hypothesis import strategies as st

from jasco.protocol.failure_reasons import Reason, commonest_reasons, pattern_of, reasons_of
from jasco.protocol.responses import Failure


def test_the_commonest_message_stands_for_its_kind() -> None:
    groups = [
        ("timeout", "no answer within 60 s", 2, 0),
        ("rejected", "HTTP 400: no audio", 5, 5),
        ("rejected", "HTTP 413: too large", 1, 1),
        ("rejected", "HTTP 422: odd", 1, 0),
    ]
    assert commonest_reasons(groups) == (
        Reason("rejected", "HTTP 400: no audio", 5, 7, 6),
        Reason("timeout", "no answer within 60 s", 2, 2, 0),
    )


def test_messages_that_differ_in_ids_and_numbers_only_are_counted_together() -> None:
    messages = [f"HTTP 500: request req_{n}f3a failed after {n} ms" for n in range(5)]
    failures = [Failure("server", text) for text in (*messages, *["HTTP 500: overloaded"] * 3)]
    [reason] = reasons_of(failures)
    assert reason == Reason("server", messages[0], 5, 8, 0)


def test_statuses_are_distinguished() -> None:
    assert pattern_of("HTTP 400: x1") == "HTTP 400: #" != pattern_of("HTTP 500: x1")


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3), st.integers(1, 3))).flatmap(
        lambda groups: st.tuples(st.just(groups), st.permutations(groups))
    )
)
def test_the_order_does_not_matter_and_nothing_is_lost(orders: tuple[list, list]) -> None:
    one, other = ([(*group, 0) for group in groups] for groups in orders)
    reasons = commonest_reasons(one)
    assert reasons == commonest_reasons(other)
    assert sum(reason.of for reason in reasons) == sum(group[2] for group in one)
    for reason in reasons:
        assert 0 < reason.count <= reason.of
        assert (reason.kind, reason.message) in {group[:2] for group in one}
