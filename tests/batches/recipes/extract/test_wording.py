from tokenworks.batches.recipes.extract.wording import fit, words_of


def test_words_of_names_and_labels_compare() -> None:
    assert words_of("net_income of theYear 2023") == ["net", "income", "year"]
    assert words_of("totalAssets") == words_of("Total assets") == ["total", "asset"]


def test_the_label_that_says_the_name_fits_best() -> None:
    name = set(words_of("total_assets"))
    exact = fit(name, (), "", "", "total assets")
    assert exact == 1.0
    assert exact > fit(name, (), "", "", "total current assets") > fit(name, (), "", "", "other assets, net")
    assert fit(name, (), "", "", "goodwill") == 0.0


def test_a_heading_counts_for_the_name() -> None:
    name = set(words_of("earnings_basic"))
    assert fit(name, (), "", "earnings per share", "basic") > fit(name, (), "", "shares", "basic")


def test_other_names_count_as_much() -> None:
    assert fit({"turnover"}, ("Net sales",), "", "", "net sales") == 1.0
    assert 0.5 < fit({"turnover"}, ("Net sales",), "", "", "net sales of fruit") < 1.0
    assert fit({"turnover"}, (), "", "", "net sales") == 0.0
