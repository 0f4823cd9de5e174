"""docs/reliability.md tells of the faults that the suite tries, and of no other; `make test` itself tries none of them."""

import re

import reliability


def test_the_page_names_exactly_the_faults_that_are_tried():
    told = [cells[:3] for cells in reliability.told()]
    assert told == [(fault.name, fault.done, fault.promised) for fault in reliability.declared()], (
        "run make fault-test, which writes the table"
    )


def test_every_fault_has_been_tried_and_came_out_as_promised():
    outcomes = {cells[0]: cells[3] for cells in reliability.told()}
    assert not [name for name, outcome in outcomes.items() if re.search(r"FAILED|not tried|on sail", outcome)]


def test_every_test_of_the_folder_is_that_of_a_fault():
    tests = [
        name for file in reliability.FILES for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    ]
    assert len(tests) == len(reliability.declared())


def test_a_fault_that_the_page_lacks_is_seen(tmp_path, monkeypatch):
    page = tmp_path / "reliability.md"
    page.write_text("<!-- faults -->\n<!-- /faults -->\n")
    monkeypatch.setattr(reliability, "PAGE", page)
    one, two = (reliability.Fault(name, "done", "promised") for name in ("one", "two"))
    reliability.write([(one, "1 of 1"), (two, "2 of 2")])
    assert reliability.told() == [("one", "done", "promised", "1 of 1"), ("two", "done", "promised", "2 of 2")]
    reliability.write([(one, "1 of 1")])
    assert [cells[0] for cells in reliability.told()] == ["one"]
