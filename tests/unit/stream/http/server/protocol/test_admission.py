"""Which connections may be open, and for which of them an earlier one is closed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.http.server.protocol.admission import HERE, Admission, Verdict, network_of, place_of
from support.examples import examples

REFUSED = Verdict(False)


def filled(*networks: str, most: int = 4, per_address: int = 2, began: bool = True) -> Admission:
    admission = Admission(most, per_address)
    for number, network in enumerate(networks):
        assert admission.judge(network) == Verdict(True)
        admission.add(number, network)
        if began:
            admission.began(number)
    return admission


def test_one_address_gets_its_share_and_others_still_get_theirs() -> None:
    admission = filled("a", "a")
    assert admission.judge("a") == REFUSED
    assert admission.judge("b") == Verdict(True)


def test_a_connection_beyond_the_share_replaces_the_oldest_of_its_address_that_has_not_asked() -> None:
    admission = filled("a", "a", began=False)
    assert admission.judge("a") == Verdict(True, 0)
    admission.began(0)
    assert admission.judge("a") == Verdict(True, 1)


def test_without_a_free_place_the_address_with_most_connections_gives_one_that_has_not_asked() -> None:
    admission = filled("b", "a", "a", "c", began=False)
    assert admission.judge("d") == Verdict(True, 1)


def test_an_address_gives_up_a_place_only_for_one_that_has_fewer() -> None:
    assert filled("b", "a", "c", "d", began=False).judge("a") == Verdict(True, 1)
    assert filled("b", "c", "d", "e", began=False, per_address=1).judge("a") == Verdict(True, 0)
    assert filled("b", "c", "d", "e", per_address=1).judge("a") == REFUSED


def test_this_machine_has_places_of_its_own_without_a_share_for_each_address() -> None:
    admission = filled("a", "a", "b", "b")
    assert admission.judge("c") == REFUSED
    for number in range(10, 14):
        assert admission.judge(HERE) == Verdict(True)
        admission.add(number, HERE)
    assert admission.judge(HERE) == Verdict(True, 10)
    assert admission.judge("c") == REFUSED, "it takes none of this machine's"
    for number in range(10, 14):
        admission.began(number)
    assert admission.judge(HERE) == REFUSED


def test_streams_and_ended_connections_are_not_counted() -> None:
    admission = filled("a", "a")
    admission.stream(0, is_one=True)
    assert admission.judge("a") == Verdict(True)
    admission.stream(0, is_one=False)
    assert admission.judge("a") == REFUSED
    admission.keep({1})
    assert (admission.judge("a"), len(admission)) == (Verdict(True), 1)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", HERE]), st.booleans(), st.booleans()), max_size=40))
@settings(max_examples=examples(200))
def test_there_are_never_more_connections_than_permitted(steps: list[tuple[str, bool, bool]]) -> None:
    admission, places = Admission(6, 3), dict[int, str]()
    for number, (network, began, ends) in enumerate(steps):
        verdict = admission.judge(network)
        if verdict.instead_of is not None:
            assert admission.is_waiting(verdict.instead_of)
            admission.remove(verdict.instead_of)
            places = {one: place for one, place in places.items() if one != verdict.instead_of}
        if verdict.admitted:
            admission.add(number, network)
            places[number] = network
            if began:
                admission.began(number)
        if ends and places:
            places.pop(min(places))
            admission.keep(places.keys())
        here = sum(place == HERE for place in places.values())
        assert len(admission) == len(places) and here <= 6 and len(places) - here <= 6
        assert all(sum(place == name for place in places.values()) <= 3 for name in "abc")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_network_is_an_ipv4_address_or_the_64_bits_of_an_ipv6_address(address: str, network: str) -> None:
    assert network_of(address) == place_of(address) == network


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_addresses_of_the_loopback_are_one_place(address: str) -> None:
    assert place_of(address) == HERE
