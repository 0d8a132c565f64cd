"""Book dates and banking days by integer arithmetic (economy B9). Dates are ints YYYYMMDD."""

DAY_S = 86_400


def compute_book_date(time_s: int, offset_s: int) -> int:
    """Return the civil date, YYYYMMDD, of block time plus the federation's offset."""
    return from_days((time_s + offset_s) // DAY_S)


def from_days(days: int) -> int:
    """Return YYYYMMDD of a count of days since 1970-01-01.

    The calendar is cut into eras of 400 years that start on 1 March, so leap days come last.
    """
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    return year * 10_000 + month * 100 + day


def to_days(date: int) -> int:
    """Return days since 1970-01-01 of a date YYYYMMDD that exists."""
    year, month, day = date // 10_000, date // 100 % 100, date % 100
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    shifted = month - 3 if month > 2 else month + 9
    day_of_year = (153 * shifted + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def date_text(date: int) -> str:
    """Return YYYYMMDD as an RFC 3339 date (interfaces 0)."""
    return f"{date // 10_000:04}-{date // 100 % 100:02}-{date % 100:02}"


def is_date(date: int) -> bool:
    """Say whether `date` is a day of the calendar, 1970 to 9999."""
    return 19_700_101 <= date <= 99_991_231 and from_days(to_days(date)) == date


def easter_days(year: int) -> int:
    """Return days since 1970 of Easter Sunday (Meeus, Jones and Butcher's computus)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, left = divmod(century, 4)
    epact = (19 * golden + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    quarter, spare = divmod(rest, 4)
    weekday = (32 + 2 * left + 2 * quarter - epact - spare) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return to_days(year * 10_000 + month * 100 + day + 1)


def is_banking_day(date: int) -> bool:
    """Say whether banks book on `date`: no weekend and none of the six holidays of economy B9."""
    days = to_days(date)
    if (days + 3) % 7 >= 5:  # 1970-01-01 was a Thursday
        return False
    if date % 10_000 in (101, 501, 1225, 1226):
        return False
    return days - easter_days(date // 10_000) not in (-2, 1)


def add_banking_days(date: int, count: int) -> int:
    """Return the date that lies `count` banking days after `date`."""
    days = to_days(date)
    while count > 0:
        days += 1
        if is_banking_day(from_days(days)):
            count -= 1
    return from_days(days)
