from methods.serve.pauses import FIRST, LONGEST, pause


def test_pauses_double_up_to_a_limit():
    for attempts in range(12):
        longest = min(FIRST * 2**attempts, LONGEST)
        assert all(longest / 2 <= pause(attempts) <= longest for _ in range(20))
    assert pause(10**6) <= LONGEST
