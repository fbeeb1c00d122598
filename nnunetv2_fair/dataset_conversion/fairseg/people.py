"""From what FairSeg's files say to one row of demographics each."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nnunetv2_fair.dataset_conversion.fairseg.codes import (
    RACE_SCHEMES,
    ages_in_years,
    code_problems,
    decide_race_scheme,
    is_unknown,
    level_of,
)
from nnunetv2_fair.dataset_conversion.fairseg.files import ATTRIBUTE_KEYS, NpzFacts
from nnunetv2_fair.errors import shorten

_AGE = "age"
_ANOTHER_RELEASE = "Is this another release? If the value means unknown, store -1 instead"
_CATEGORICAL = tuple(name for name in ATTRIBUTE_KEYS if name != _AGE)


@dataclass
class People:
    """Demographics of many files.

    Attributes:
        values: Value of each attribute of each file, empty where unknown.
        patients: Person that a file is from: the name of the first file of that person.
        problems: What is wrong, in words.
        notes: What was decided.
    """

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> set[str]:
        """Attributes that are known for anyone."""
        return {name for row in self.values.values() for name, value in row.items() if value}


def real_people(facts: Mapping[str, NpzFacts], race_scheme: str | None) -> People:
    """Decode the demographics of original files, as one dataset.

    Args:
        facts: What each file says, by its name.
        race_scheme: ``012`` or ``237``; None decides by what is found.
    """
    people = People()
    stored = {
        name: {file: f.attributes[name] for file, f in facts.items() if name in f.attributes}
        for name in ATTRIBUTE_KEYS
    }
    codes, people.problems = decide_race_scheme(stored["race"], race_scheme)
    if codes and stored["race"]:
        listed = ", ".join(f"{number} {level}" for number, level in codes.items())
        people.notes.append(f"race codes: {listed}, for all original files")
    ages, in_days, age_problems = ages_in_years(stored[_AGE])
    people.problems += age_problems
    if in_days:
        people.notes.append("ages were stored in days and are divided by 365, as FairSeg's code")
    absent = [name for name, values in stored.items() if not values]
    if len(absent) == len(stored):
        people.problems.append(
            f"no file gives {shorten(absent, 6)}: there is nobody to compare. Take a release with "
            "demographics"
        )
    elif absent:
        people.notes.append(f"no file gives {shorten(absent, 6)}: not in the table")
    wrong: list[tuple[str, str]] = []
    for file in facts:
        row = {_AGE: ages.get(file, "")}
        for name in _CATEGORICAL:
            row[name] = ""
            if file in stored[name] and (name != "race" or codes):
                row[name], problem = level_of(name, stored[name][file], codes)
                if problem:
                    wrong.append((file, problem))
        people.values[file] = row
    people.problems += code_problems(wrong, _ANOTHER_RELEASE)
    _add_patients(people, facts)
    return people


def _add_patients(people: People, facts: Mapping[str, NpzFacts]) -> None:
    """Files of the same ``pid`` are of one person, who is named after the first of them."""
    known = [f.patient for f in facts.values() if not is_unknown(f.patient)]
    usable = len(set(known)) > 1 or len(known) == 1
    if known and not usable:
        people.notes.append("pid is the same in all files and is not used")
    first: dict[str, str] = {}
    for file, f in facts.items():
        named = f.patient if usable and not is_unknown(f.patient) else file
        people.patients[file] = first.setdefault(named, file)
    shared = len(facts) - len(first)
    if shared:
        people.notes.append(f"{shared} files are of people (pid) who have another file too")


def synthetic_people(facts: Mapping[str, tuple[str, NpzFacts]]) -> People:
    """Decode what FairDiff's files say: the attribute that was steered, and nothing else.

    Args:
        facts: Folder of the group and what the file says, by the file's name. Race codes are
            2, 3 and 7, as FairDiff's packing writes them; the folder has to agree.
    """
    people = People()
    codes = RACE_SCHEMES["237"]
    wrong: list[tuple[str, str]] = []
    misplaced: list[tuple[str, str]] = []
    for file, (group, f) in facts.items():
        row = dict.fromkeys(ATTRIBUTE_KEYS, "")
        for name in _CATEGORICAL:
            if name not in f.attributes or is_unknown(group):
                continue
            row[name], problem = level_of(name, f.attributes[name], codes)
            if problem:
                wrong.append((file, problem))
            elif len(f.attributes) == 1 and row[name] != level_of(name, group, codes)[0]:
                what = f"{name} means '{row[name] or 'unknown'}' in folder '{group}'"
                misplaced.append((file, what))
        people.values[file] = row
        people.patients[file] = file
    people.problems = code_problems(wrong, _ANOTHER_RELEASE) + code_problems(
        misplaced, "Move the files to the folder of their group, or give it the group's name"
    )
    return people


def race_disagreements(
    values: Mapping[int, Mapping[str, str]], race: Mapping[int, str], table: str
) -> tuple[list[str], list[str]]:
    """Compare the races that files and ``data_summary.csv`` give.

    Args:
        values: Values of each file, by its number.
        race: Race in words, by number, as the table has it.
        table: Name of the table.

    Returns:
        A sentence if they differ (counts, not individuals), and a note if the table has words that
        no code means, which cannot be compared.
    """
    levels = {level.casefold(): level for level in RACE_SCHEMES["012"].values()}
    words = {n: race[n].strip() for n, row in values.items() if row["race"] and n in race}
    words = {number: word for number, word in words.items() if not is_unknown(word)}
    strange = sorted({word for word in words.values() if word.casefold() not in levels})
    wrong = Counter(
        (values[number]["race"], levels[word.casefold()])
        for number, word in words.items()
        if levels.get(word.casefold(), values[number]["race"]) != values[number]["race"]
    )
    problems = []
    if wrong:
        pairs = (
            f"{count} are {ours} by the files and {theirs} by the table"
            for (ours, theirs), count in sorted(wrong.items())
        )
        problems.append(
            f"{wrong.total()} files and {table} give different races: {shorten(pairs, 6)}. Are the "
            "race codes read the right way (--race-codes)? Is the table of the same release?"
        )
    notes = []
    if strange:
        notes.append(
            f"race in {table} has words that were not compared with the files: {shorten(strange)}"
        )
    return problems, notes
