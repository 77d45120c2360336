import threading

import pytest

from methods.serve.batching import LARGEST, Batcher, Busy, Unavailable


@pytest.fixture
def batcher():
    made = []

    def make(work, places=100, workers=1):
        made.append(Batcher(work, places, workers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_has_come_meanwhile_is_in_batches_of_known_sizes(batcher):
    begun, go, sizes = threading.Event(), threading.Event(), []

    def work(items):
        begun.set()
        assert go.wait(10)
        sizes.append(len(items))
        return [2 * item for item in items]

    one = batcher(work)
    futures = [one.submit(0)]
    assert begun.wait(10)
    futures += [one.submit(i) for i in range(1, LARGEST + 7)]
    go.set()
    assert [future.result(10) for future in futures] == list(range(0, 46, 2))
    assert sizes == [1, LARGEST, 4, 1, 1]


def test_an_item_that_fails_hurts_no_other(batcher):
    begun, go = threading.Event(), threading.Event()

    def work(items):
        begun.set()
        assert go.wait(10)
        return [1 / item for item in items]

    one = batcher(work)
    futures = [one.submit(i) for i in (1, 2, 0, 4)]
    go.set()
    with pytest.raises(ZeroDivisionError):
        futures.pop(2).result(10)
    assert [future.result(10) for future in futures] == [1, 0.5, 0.25]


def test_there_are_so_many_places(batcher):
    one = batcher(list, places=3)
    with one.admitted(2):
        with pytest.raises(Busy), one.admitted(2):
            pass
        with one.admitted(1):
            assert one.taken == 3
    assert one.taken == 0


def test_closing_answers_what_is_queued():
    one = Batcher(list, 100)
    futures = [one.submit(i) for i in range(40)]
    one.close()
    assert [future.result(0) for future in futures] == list(range(40))


def test_workers_share_what_waits(batcher):
    both, go, sizes = threading.Barrier(3), threading.Event(), []

    def work(items):
        sizes.append(len(items))
        if not go.is_set():
            both.wait(10)
            assert go.wait(10)
        return items

    one = batcher(work, workers=2)
    futures = [one.submit(0), one.submit(1)]
    both.wait(10)  # both are at work
    futures += [one.submit(i) for i in range(2, 14)]
    go.set()
    assert [future.result(10) for future in futures] == list(range(14))
    assert sum(sizes) == 14
    assert max(sizes) == 4  # half of twelve, as a size that networks are compiled for


def test_where_nothing_works_all_are_told_at_once(batcher):
    calls = []

    def work(items):
        calls.append(len(items))
        raise Unavailable("the cluster is gone")

    one = batcher(work)
    futures = [one.submit(i) for i in range(8)]
    for future in futures:
        with pytest.raises(Unavailable, match="the cluster is gone"):
            future.result(10)
    assert sum(calls) == 8  # none is tried by itself
