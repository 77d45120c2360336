from methods import METHODS
from methods.cli import method_list


def test_every_method_has_a_row():
    assert set(method_list.SUMMARIES) == set(METHODS)


def test_the_table_names_them(capsys):
    assert method_list.main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in METHODS)
    assert "python3 train.py --help METHOD" in shown
