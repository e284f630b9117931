"""The partition of a key is the one that every Kafka client with murmur2 chooses."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from producers.countries import COUNTRIES
from producers.partitions import murmur2, partition_of


@given(st.binary(max_size=40))
def test_the_hash_is_kafkas(data: bytes) -> None:
    assert murmur2(data) == theirs(data) % 2**32


@given(st.sampled_from(sorted(COUNTRIES)), st.integers(1, 1000))
def test_a_country_lies_where_a_client_puts_its_key(country: str, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(country, partitions) == DefaultPartitioner()(country.encode(), every, every)
    assert partition_of(country, partitions) == partition_of(country.encode(), partitions)
