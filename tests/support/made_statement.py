"""A report of a company that doesn't exist: an income statement between pages that look like one."""

from __future__ import annotations

from typing import Any

from made_pdfs import pdf, table

STATEMENT_PAGE = 5
YEARS = ("2021", "2022", "2023")  # the newest last, so that the first column is the wrong one
STATEMENT = (
    ("QUINCE ORCHARDS, INC.",),
    ("CONSOLIDATED STATEMENTS OF OPERATIONS",),
    ("(in thousands, except per share data)",),
    ("Year Ended December 31,", *YEARS),
    ("Product sales", "$ 410,000", "$ 455,120", "$ 502,340"),
    ("Service sales", "30,000", "31,880", "40,160"),
    ("Total net sales", "440,000", "487,000", "542,500"),
    ("Cost of sales", "300,000", "331,000", "360,250"),
    ("Gross profit", "140,000", "156,000", "182,250"),
    ("Operating expenses:",),
    ("Marketing", "41,000", "44,500", "52,125"),
    ("General and administrative", "61,000", "70,500", "74,125"),
    ("Total operating expenses", "102,000", "115,000", "126,250"),
    ("Operating income", "38,000", "41,000", "56,000"),
    ("Interest expense", "(4,000)", "(5,500)", "(6,000)"),
    ("Income before income taxes", "34,000", "35,500", "50,000"),
    ("Provision for income taxes", "(8,000)", "(9,000)", "(12,500)"),
    ("Net income including noncontrolling interests", "26,000", "26,500", "37,500"),
    ("Net income attributable to noncontrolling interests", "(1,000)", "(1,500)", "(2,500)"),
    ("Net income attributable to Quince Orchards", "$ 25,000", "$ 25,000", "$ 35,000"),
    ("Earnings per share:",),
    ("Basic", "$ 0.25", "$ 0.25", "$ 0.36"),
    ("Diluted", "$ 0.24", "$ 0.24", "$ 0.35"),
    ("Weighted-average shares (in thousands):",),
    ("Basic", "100,000", "100,000", "97,222"),
    ("Diluted", "104,167", "104,167", "100,000"),
    ("See accompanying notes to consolidated financial statements.",),
)
ROWS = tuple(" ".join(row) for row in STATEMENT)
TRUE = {
    "revenue": ("542500000", "Total net sales"),
    "cost_of_revenue": ("360250000", "Cost of sales"),
    "gross_profit": ("182250000", "Gross profit"),
    "operating_income": ("56000000", "Operating income"),
    "income_before_tax": ("50000000", "Income before income taxes"),
    "income_tax": ("-12500000", "Provision for income taxes"),
    "net_income": ("35000000", "Net income attributable to Quince"),
    "eps_basic": ("0.36", "Basic $"),
    "eps_diluted": ("0.35", "Diluted $"),
}
_INDEX = (
    ("INDEX TO CONSOLIDATED FINANCIAL STATEMENTS",),
    ("Consolidated Balance Sheets", "4"),
    ("Consolidated Statements of Operations", "5"),
    ("Consolidated Statements of Cash Flows", "6"),
)
_SELECTED = (
    ("Selected Consolidated Financial Data",),
    ("(in thousands, except per share data)",),
    ("", "2019", "2020", "2021", "2022", "2023"),
    *(
        (label, *(f"{value - 9_000 * i:,}" for i in range(4, -1, -1)))
        for label, value in (
            ("Total net sales", 542_500),
            ("Cost of sales", 360_250),
            ("Operating income", 56_000),
            ("Income before income taxes", 50_000),
            ("Net income", 35_000),
        )
    ),
)
_DISCUSSION = (
    (
        "Management's Discussion and Analysis: sales grew by 11% and income taxes by 39%, to $12.5 million. "
        * 2,
    ),
    ("", "2022", "2023", "Change"),
    ("Total net sales", "487,000", "542,500", "11%"),
    ("Cost of sales", "331,000", "360,250", "9%"),
    ("Operating income", "41,000", "56,000", "37%"),
    ("Net income", "26,500", "37,500", "42%"),
)
_COMPREHENSIVE = (
    ("CONSOLIDATED STATEMENTS OF COMPREHENSIVE INCOME",),
    ("(in thousands)",),
    ("Year Ended December 31,", *YEARS),
    ("Net income", "26,000", "26,500", "37,500"),
    ("Foreign currency, net of income taxes", "500", "(100)", "300"),
    ("Comprehensive income", "26,500", "26,400", "37,800"),
)
_QUARTERS = (
    ("Quarterly Results (Unaudited)",),
    ("(in thousands, except per share data)",),
    ("Three Months Ended", "March 2023", "June 2023", "Sept. 2023"),
    ("Total net sales", "130,000", "131,000", "139,000"),
    ("Cost of sales", "88,000", "89,000", "91,000"),
    ("Operating income", "13,000", "13,500", "14,000"),
    ("Income before income taxes", "12,000", "12,500", "13,000"),
    ("Provision for income taxes", "3,000", "3,100", "3,200"),
    ("Net income", "9,000", "9,400", "9,800"),
)


def filing() -> bytes:
    """The report as a PDF; the statement stands on page 5, drawn column by column."""
    pages = [table([("QUINCE ORCHARDS, INC. Annual report 2023",)])]
    pages += [table(rows) for rows in (_INDEX, _SELECTED, _DISCUSSION)]
    pages += [table(STATEMENT, by_column=True), table(_COMPREHENSIVE), table(_QUARTERS)]
    return pdf(pages)


def perfect() -> dict[str, Any]:
    """What a model answers that reads without a mistake."""
    return {name: citation(name) for name in TRUE}


def citation(name: str) -> dict[str, Any]:
    """The right citation of one field."""
    value, begins = TRUE[name]
    per_share = name.startswith("eps")
    number = float(value) if per_share else int(value) // 1000
    quote = next(row for row in ROWS if row.startswith(begins))
    return {
        "value": number,
        "scale": "one" if per_share else "thousand",
        "page": STATEMENT_PAGE,
        "quote": quote,
    }
