"""One attribute's cells: each becomes a value, is unknown, or is a problem; none is guessed."""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.tables.columns import MOST_LEVELS, is_age, is_numeric
from nnunetv2_fair.tables.numbers import (
    age_in_years,
    ascii_number,
    commas_are_decimal,
    is_date,
    like_numbers,
    plain_number,
    unit_of,
    with_comma,
)
from nnunetv2_fair.tables.remedy import Remedy, escaped, pair_of
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.spellings import control_signs, folded, one_spelling
from nnunetv2_fair.tables.words import (
    is_code_for_unknown,
    is_sex,
    is_spreadsheet_error,
    perhaps_unknown,
    surely_unknown,
)

#: Ages in years that nobody has to declare.
_AGE_RANGE = (0, 120)
#: Lines that a problem names before it counts the rest.
_MOST_LINES = 4


@dataclass(frozen=True)
class Described:
    """What a dictionary says about an attribute.

    Attributes:
        numeric: Whether it holds numbers.
        levels: Allowed values of a categorical one.
        problem_with: What is wrong with a value, in words; None if nothing is.
    """

    numeric: bool
    levels: tuple[str, ...]
    problem_with: Callable[[str], str | None]


@dataclass
class AttributeColumn:
    """What the cells of one attribute say.

    Attributes:
        name: Of the attribute.
        column: Of the table.
        values: Value of each row, empty where unknown.
        numeric: Whether they are numbers.
        levels: Values of a categorical attribute, in order.
        unit: ``years`` of ages, else empty.
        low: Lowest plausible number; None if there is none.
        high: Highest plausible number; None if there is none.
        problems: What is wrong, in words.
        notes: What was decided.
    """

    name: str
    column: str
    values: list[str]
    numeric: bool = False
    levels: tuple[str, ...] = ()
    unit: str = ""
    low: float | None = None
    high: float | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[float]:
        """All values that are plausible numbers."""
        found = [number for text in self.values if (number := plain_number(text)) is not None]
        return [
            n for n in found if self.low is None or self.high is None or self.low <= n <= self.high
        ]


@dataclass(frozen=True)
class Cells:
    """Cells of a column, and how to name their rows.

    Attributes:
        texts: What the file holds.
        where: Name of a row for messages, such as ``people.csv, line 3, case 'a'``.
        line: Line of a row.
    """

    texts: Sequence[str]
    where: Callable[[int], str]
    line: Callable[[int], int]


def read_attribute(
    name: str,
    column: str,
    cells: Cells,
    settings: TableSettings,
    remedy: Remedy,
    described: Described | None = None,
) -> AttributeColumn:
    """Read the cells of an attribute.

    Args:
        name: Of the attribute.
        column: Its column.
        cells: What the column holds.
        settings: What the user said about the table.
        remedy: Gets the options that would make the cells readable.
        described: What the dictionary says; None if there is none.
    """
    reader = _Reader(name, cells, settings, remedy, described)
    return reader.read(column)


class _Reader:
    def __init__(
        self,
        name: str,
        cells: Cells,
        settings: TableSettings,
        remedy: Remedy,
        described: Described | None,
    ) -> None:
        self.name = name
        self.cells = cells
        self.settings = settings
        self.remedy = remedy
        self.described = described
        self.mapping: Mapping[str, str] = settings.values.get(name, {})

    def read(self, column: str) -> AttributeColumn:
        self.found = AttributeColumn(self.name, column, [])
        readable = {text: self._value(text) for text in dict.fromkeys(self.cells.texts)}
        self.found.values = [readable[text] for text in self.cells.texts]
        self._note_unknown(readable)
        known = [value for value in self.found.values if value != ""]
        self.found.numeric = (
            self.described.numeric
            if self.described is not None
            else is_numeric(self.name, known, self.settings)
        )
        signs = [v for v in dict.fromkeys(known) if control_signs(v)]
        failed = [v for v in dict.fromkeys(known) if is_spreadsheet_error(v)]
        if failed:
            self._problem(
                failed,
                f"'{self.name}' holds errors of formulas ({shorten(failed)}); correct the formulas "
                "in the spreadsheet",
            )
        elif signs:
            listed = shorten(dict.fromkeys(s for v in signs for s in control_signs(v)))
            self._problem(signs, f"'{self.name}' holds control characters ({listed}); remove them")
        elif self.found.numeric and self.name in self.settings.bins and not like_numbers(known):
            self.found.problems.append(
                f"'{self.name}' is categorical ({shorten(map(repr, dict.fromkeys(known)))}); only "
                f"numeric attributes have bins (--bins {self.name})"
            )
        elif self.found.numeric:
            self._read_numbers(known)
        else:
            self._read_levels(Counter(known))
        return self.found

    def _value(self, text: str) -> str:
        """Return what a cell says: a value, or nothing if it is unknown."""
        if text in self.mapping:
            return self.mapping[text]
        if text == "" or text in self.settings.unknown:
            return ""
        if self.name in self.settings.dicom_age and (years := age_in_years(text)) is not None:
            return years
        levels = self.described.levels if self.described is not None else ()
        if surely_unknown(text) and text not in levels:
            return ""
        return text

    def _note_unknown(self, readable: Mapping[str, str]) -> None:
        words = [
            text
            for text, value in readable.items()
            if value == "" and text != "" and text not in self.settings.unknown
        ]
        if words:
            counts = Counter(self.cells.texts)
            listed = shorten(f"{_shown(word)} in {counted(counts[word], 'row')}" for word in words)
            self.found.notes.append(
                f"'{self.name}' is {listed}: read as unknown. If that is a group: --values "
                f"{shlex.quote(self.name)} {_pair(words[0], words[0])}, with a pair for every "
                "other level"
            )

    def _problem(self, values: Sequence[str], text: str) -> None:
        """Report cells of some values as one problem, naming the first rows."""
        wanted = set(values)
        rows = [i for i, value in enumerate(self.found.values) if value in wanted]
        more = ""
        if len(rows) > 1:
            lines = shorten((self.cells.line(i) for i in rows[1:]), _MOST_LINES)
            cells = "cell" if len(rows) == 2 else "cells"
            more = f" (and {len(rows) - 1} more {cells} like it, line {lines})"
        self.found.problems.append(f"{self.cells.where(rows[0])}: {text}{more}")

    # numbers

    def _read_numbers(self, known: Sequence[str]) -> None:
        self._set_range()
        commas = [v for v in dict.fromkeys(known) if with_comma(v) is not None]
        if commas_are_decimal(known):
            self.found.values = [with_comma(v) or v for v in self.found.values]
            self.found.notes.append(f"'{self.name}': decimal commas are read as points")
            commas = []
        kinds: dict[str, list[str]] = {}
        for value in dict.fromkeys(v for v in self.found.values if v != ""):
            kind = self._kind_of_number(value, commas)
            if kind is not None:
                kinds.setdefault(kind, []).append(value)
        report = {
            "age": self._report_ages, "digits": self._report_digits, "comma": self._report_commas,
            "word": self._report_words, "date": self._report_dates, "range": self._report_range,
            "unit": self._report_units, "text": self._report_texts,
        }  # fmt: skip
        for kind, values in kinds.items():
            report[kind](values)

    def _set_range(self) -> None:
        if self.described is not None:
            return
        age = is_age(self.name) or self.name in self.settings.dicom_age
        self.found.unit = "years" if age else ""
        low, high = self.settings.ranges.get(self.name, _AGE_RANGE if age else (None, None))
        self.found.low, self.found.high = _whole(low), _whole(high)

    def _kind_of_number(self, value: str, commas: Sequence[str]) -> str | None:
        """Return what kind of problem a cell is; None if it is none."""
        number = plain_number(value)
        if number is None:
            if value in commas:
                return "comma"
            if perhaps_unknown(value):
                return "word"
            if is_date(value):
                return "date"
            if age_in_years(value) is not None:
                return "age"
            if ascii_number(value) is not None:
                return "digits"
            return "unit" if unit_of(value) is not None else "text"
        if self.described is not None:
            return "range" if self.described.problem_with(value) else None
        low, high = self.found.low, self.found.high
        outside = low is not None and high is not None and not low <= number <= high
        return "range" if outside else None

    def _no_number(self, values: Sequence[str]) -> str:
        return f"'{values[0]}' is not a number, but '{self.name}' is numeric"

    def _report_ages(self, values: Sequence[str]) -> None:
        years = age_in_years(values[0])
        self._problem(
            values,
            f"{self._no_number(values)}; write {years}, or to accept ages like this one: "
            f"--dicom-age {shlex.quote(self.name)}",
        )
        self.remedy.add_dicom_age(self.name)

    def _report_digits(self, values: Sequence[str]) -> None:
        plain = {value: str(ascii_number(value)) for value in values}
        self._problem(
            values,
            f"{self._no_number(values)}; write it in the digits 0 to 9, with a plain minus and "
            f"without gaps: {plain[values[0]]}",
        )
        if is_age(self.name):
            self.remedy.map_levels(self.name, plain)

    def _report_commas(self, values: Sequence[str]) -> None:
        self._problem(
            values,
            f"{self._no_number(values)}: its comma may be a decimal one or one of thousands. Write "
            f"{values[0].replace(',', '.')} or {values[0].replace(',', '')}",
        )

    def _report_words(self, values: Sequence[str]) -> None:
        self._problem(
            values,
            f"{self._no_number(values)}. If '{values[0]}' means unknown: --unknown "
            f"{_token(values[0])}",
        )
        for value in values:
            self.remedy.add_unknown(value)

    def _report_dates(self, values: Sequence[str]) -> None:
        self._problem(
            values,
            f"'{self.name}' is a date, which forms no groups. Put the age at examination, or the "
            "year, into a column, or leave the cell empty if it is unknown",
        )

    def _report_range(self, values: Sequence[str]) -> None:
        for value in values:
            told = self.described.problem_with(value) if self.described is not None else None
            if told is None:
                low, high = self.found.low, self.found.high
                allowed = f"{low} to {high} {self.found.unit}".rstrip()
                told = (
                    f"'{value}' is outside the plausible range of '{self.name}' ({allowed}); "
                    "correct it, or leave the cell empty if the value is unknown. If such numbers "
                    f"are right: --range {shlex.quote(self.name)}=<lowest>,<highest>"
                )
            self._problem(
                [value], f"{told}. If '{value}' always means unknown: --unknown {_token(value)}"
            )
            if is_code_for_unknown(value):
                self.remedy.add_unknown(value)

    def _report_units(self, values: Sequence[str]) -> None:
        self._problem(
            values, f"{self._no_number(values)}; write the number alone, in one unit for all rows"
        )

    def _report_texts(self, values: Sequence[str]) -> None:
        for value in values:
            self._problem(
                [value],
                f"{self._no_number([value])}; correct it, or leave the cell empty if the value is "
                f"unknown. If '{value}' always means unknown: --unknown {_token(value)}; if a "
                f"number: --values {shlex.quote(self.name)} "
                f"{shlex.quote(pair_of(value, '<number>'))}",
            )

    # levels

    def _read_levels(self, counts: Counter[str]) -> None:
        dates = [level for level in counts if is_date(level)]
        if self.described is None and dates and 2 * len(dates) > len(counts):
            self._report_dates(dates)
            return
        if self.described is not None or self.mapping:
            levels = (
                self.described.levels
                if self.described is not None
                else tuple(dict.fromkeys(self.mapping.values()))
            )
            self.found.levels = levels
            self._report_strangers({v: n for v, n in counts.items() if v not in levels}, levels)
            return
        self.found.levels = tuple(sorted(counts))
        doubtful = [level for level in counts if self._is_doubtful(level, counts)]
        for level in doubtful:
            self._problem(
                [level],
                f"'{self.name}' is '{level}', which may mean unknown. If it does: --unknown "
                f"{_token(level)}. If it is a group of its own: --values {shlex.quote(self.name)} "
                f"{_pair(level, level)}, with a pair for every other level",
            )
            self.remedy.add_unknown(level)
        sure = {level: n for level, n in counts.items() if level not in doubtful}
        self._report_spellings(sure)
        n_rows = sum(sure.values())
        if len(sure) > MOST_LEVELS and 2 * len(sure) > n_rows:
            self.found.notes.append(
                f"'{self.name}' has {len(sure)} different values in {counted(n_rows, 'row')}: "
                "most groups are of one row"
            )

    def _is_doubtful(self, level: str, counts: Mapping[str, int]) -> bool:
        # a negative finding beside positive ones
        if not any(sign.isalnum() for sign in level) and any("+" in other for other in counts):
            return False
        if level.casefold() == "none" and self.name in self.settings.none_is_level:
            return False
        if is_sex(self.name) and (level.casefold() in ("u", "9") or is_code_for_unknown(level)):
            return True
        others = [other for other in counts if other != level]
        words = others and not any(sign.isdecimal() for other in others for sign in other)
        return perhaps_unknown(level) or bool(words and is_code_for_unknown(level))

    def _report_spellings(self, counts: Mapping[str, int]) -> None:
        right = one_spelling(counts)
        if not right:
            return
        groups: dict[str, list[str]] = {}
        for level in counts:
            groups.setdefault(right.get(level, level), []).append(level)
        alike = shorten(
            (" and ".join(map(_shown, found)) for found in groups.values() if len(found) > 1), 8
        )
        # --values names every level: those it does not name are refused
        mapping = {level: right.get(level, level) for level in counts}
        targets = {new for old, new in mapping.items() if old != new}
        needed = {
            old: new for old, new in sorted(mapping.items()) if old != new or old not in targets
        }
        self._problem(
            list(right),
            f"'{self.name}' has the same level in several spellings: {alike or _renamed(right)}. "
            "Make them one",
        )
        self.remedy.map_levels(self.name, needed)

    def _report_strangers(self, counts: Mapping[str, int], levels: Sequence[str]) -> None:
        """Report values that are not allowed, with what they probably are."""
        right: dict[str, str] = {}
        for value in counts:
            right |= {k: v for k, v in one_spelling({value: 1}, levels).items() if v in levels}
        for value in counts:
            told = f"'{value}' is not a level of '{self.name}' (levels: {shorten(levels, 12)})"
            if value in right and folded(right[value]):
                pair = _pair(value, right[value])
                told += f". It seems to be '{right[value]}': --values "
                told += f"{shlex.quote(self.name)} {pair}"
                self.remedy.map_levels(self.name, {value: right[value]})
            elif perhaps_unknown(value):
                told += f". If it means unknown: --unknown {_token(value)}"
                self.remedy.add_unknown(value)
            else:
                told += (
                    f". Correct the cell, add {shlex.quote(escaped(value) + '=<level>')} to "
                    f"--values {shlex.quote(self.name)}, or if it means unknown: --unknown "
                    f"{_token(value)}"
                )
                if self.described is not None:
                    told += ". Or add the level to the dictionary"
            self._problem([value], told)


def _token(text: str) -> str:
    return shlex.quote(escaped(text))


def _pair(old: str, new: str) -> str:
    return shlex.quote(pair_of(old, new))


def _shown(level: str) -> str:
    """Return a level in quotes; with the code of every sign that is not what it looks like."""
    return (
        ascii(level) if folded(level) != level.casefold() and not level.isascii() else f"'{level}'"
    )


def _renamed(right: Mapping[str, str]) -> str:
    return shorten(f"'{old}' and '{new}'" for old, new in right.items())


def _whole(number: float | None) -> float | None:
    """Return 0 for 0.0: people read it in messages and in demographics.json."""
    return int(number) if number is not None and float(number).is_integer() else number
