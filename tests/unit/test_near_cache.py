from deployments.near_cache import NearCache


def test_a_row_is_fresh_until_its_time_and_last_known_after() -> None:
    cache = NearCache[str, int](size=2)
    cache.put("a", 1, fresh_until=10.0)
    assert cache.fresh("a", now=9.9) == 1
    assert cache.fresh("a", now=10.0) is None
    assert cache.last_known("a") == 1


def test_the_least_recently_used_row_leaves_first() -> None:
    cache = NearCache[str, int](size=2)
    cache.put("a", 1, fresh_until=10.0)
    cache.put("b", 2, fresh_until=10.0)
    assert cache.fresh("a", now=0.0) == 1
    cache.put("c", 3, fresh_until=10.0)
    assert cache.last_known("b") is None
    assert (cache.last_known("a"), cache.last_known("c")) == (1, 3)


def test_a_changed_row_must_be_read_again_but_can_still_serve_in_need() -> None:
    cache = NearCache[str, int](size=2)
    cache.put("a", 1, fresh_until=10.0)
    cache.stale("a")
    assert cache.fresh("a", now=0.0) is None
    assert cache.last_known("a") == 1


def test_losing_the_change_feed_shortens_every_row() -> None:
    cache = NearCache[str, int](size=3)
    cache.put("a", 1, fresh_until=100.0)
    cache.put("b", 2, fresh_until=0.5)
    cache.all_stale(not_after=1.0)
    assert cache.fresh("a", now=0.9) == 1
    assert cache.fresh("a", now=1.0) is None
    assert cache.fresh("b", now=0.7) is None


def test_hits_and_misses_are_counted() -> None:
    cache = NearCache[str, int](size=2)
    cache.put("a", 1, fresh_until=10.0)
    cache.fresh("a", now=0.0)
    cache.fresh("b", now=0.0)
    assert (cache.counts.hits, cache.counts.misses) == (1, 1)
