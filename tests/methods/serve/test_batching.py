import threading

import pytest

from methods.serve.batching import LARGEST, Batcher, Busy


@pytest.fixture
def batcher():
    made = []

    def make(work, places=100):
        made.append(Batcher(work, places))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_has_come_meanwhile_is_one_batch(batcher):
    begun, go, sizes = threading.Event(), threading.Event(), []

    def work(items):
        begun.set()
        assert go.wait(10)
        sizes.append(len(items))
        return [2 * item for item in items]

    one = batcher(work)
    futures = [one.submit(0)]
    assert begun.wait(10)
    futures += [one.submit(i) for i in range(1, LARGEST + 3)]
    go.set()
    assert [future.result(10) for future in futures] == list(range(0, 38, 2))
    assert sizes == [1, LARGEST, 2]


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
