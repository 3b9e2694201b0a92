import pytest

from imgpipe.deploy.names import computer_name, host_name, is_label, numbered, without_number


@pytest.mark.parametrize(
    ("pattern", "first", "names"),
    [
        ("web-{n:02}", 1, ("web-01", "web-02")),
        ("web{n}", 9, ("web9", "web10")),
        ("{n:03}-web", 0, ("000-web", "001-web")),
        ("web-{n:02}", 99, ("web-99", "web-100")),
    ],
)
def test_names_are_numbered_as_the_pattern_says(pattern, first, names):
    assert numbered(pattern, first, 2) == names


def test_more_machines_do_not_change_the_names_of_those_before():
    assert numbered("web-{n:02}", 1, 150)[:5] == numbered("web-{n:02}", 1, 5)


def test_a_pattern_without_its_number_names_the_group():
    assert (without_number("web-{n:02}"), without_number("web"), without_number("a-{n}-b")) == ("web", "web", "a--b")


@pytest.mark.parametrize("name", ["", "-web", "web-", "Web", "web_1", "web.example", "a" * 64])
def test_what_is_no_part_of_a_host_name_is_refused(name):
    assert not is_label(name)


def test_a_domain_follows_the_name():
    assert (host_name("web-01", "shop.example"), host_name("web-01", None)) == ("web-01.shop.example", "web-01")


def test_windows_counts_fifteen_characters_and_no_case():
    assert computer_name("customer-frontend-01") == computer_name("customer-frontend-02") == "CUSTOMER-FRONTE"
