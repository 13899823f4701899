//! Day, month and year in whatever order the phone wrote them.

use time::{Date, Month};

/// Date and time as written: three numbers in their order, and the seconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: [u32; 3],
    pub(super) second_of_day: u32,
}

/// Which number of a date is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateOrder {
    /// 14/10/2021
    DayMonthYear,
    /// 10/14/2021
    MonthDayYear,
    /// 2021-10-14
    YearMonthDay,
}

impl DateOrder {
    /// Unix seconds, reading the time as UTC; `None` if there is no such day.
    pub(super) fn seconds(self, stamp: Stamp) -> Option<i64> {
        let [a, b, c] = stamp.date;
        let (year, month, day) = match self {
            Self::DayMonthYear => (c, b, a),
            Self::MonthDayYear => (c, a, b),
            Self::YearMonthDay => (a, b, c),
        };
        let year = match year {
            0..=99 => 2000 + year,
            1900..=9999 => year,
            _ => return None,
        };
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let day = u8::try_from(day).ok()?;
        let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()?;
        Some(date.midnight().assume_utc().unix_timestamp() + i64::from(stamp.second_of_day))
    }
}

/// What the dates of a chat say about their order, gathered line by line.
#[derive(Default)]
pub(super) struct DateEvidence {
    year_first: u64,
    /// Dates whose first (second) number cannot be a month.
    first_is_day: u64,
    second_is_day: u64,
    /// Times that the chat would go backwards if days (months) came first.
    back_if_day_first: u64,
    back_if_month_first: u64,
    /// Times that the first (second) number changed: days change more often than months.
    first_changed: u64,
    second_changed: u64,
    last: Option<[u32; 3]>,
}

impl DateEvidence {
    pub(super) fn add(&mut self, date: [u32; 3]) {
        let [a, b, c] = date;
        if a > 31 {
            self.year_first += 1;
            return;
        }
        self.first_is_day += u64::from(a > 12);
        self.second_is_day += u64::from(b > 12);
        if let Some([last_a, last_b, last_c]) = self.last {
            self.back_if_day_first += u64::from((c, b, a) < (last_c, last_b, last_a));
            self.back_if_month_first += u64::from((c, a, b) < (last_c, last_a, last_b));
            self.first_changed += u64::from(a != last_a);
            self.second_changed += u64::from(b != last_b);
        }
        self.last = Some(date);
    }

    /// The order that the dates speak for; the rules come in the order of their weight, and a chat
    /// that says nothing (all of it on one 5/5) is read with days first, as most countries write.
    pub(super) fn order(&self) -> DateOrder {
        let others = self.first_is_day.max(self.second_is_day).max(u64::from(self.last.is_some()));
        if self.year_first >= others && self.year_first > 0 {
            return DateOrder::YearMonthDay;
        }
        let votes = [
            (self.first_is_day, self.second_is_day),
            (self.back_if_month_first, self.back_if_day_first),
            (self.first_changed, self.second_changed),
        ];
        let decisive = votes.into_iter().find(|(day_first, month_first)| day_first != month_first);
        match decisive {
            Some((day_first, month_first)) if month_first > day_first => DateOrder::MonthDayYear,
            _ => DateOrder::DayMonthYear,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(dates: &[[u32; 3]]) -> DateOrder {
        let mut evidence = DateEvidence::default();
        for &date in dates {
            evidence.add(date);
        }
        evidence.order()
    }

    #[test]
    fn a_number_over_twelve_is_a_day() {
        assert_eq!(order(&[[1, 2, 21], [13, 2, 21]]), DateOrder::DayMonthYear);
        assert_eq!(order(&[[1, 2, 21], [2, 13, 21]]), DateOrder::MonthDayYear);
        assert_eq!(order(&[[2021, 2, 3]]), DateOrder::YearMonthDay);
    }

    #[test]
    fn otherwise_time_goes_forward() {
        assert_eq!(order(&[[9, 1, 21], [2, 2, 21]]), DateOrder::DayMonthYear);
        assert_eq!(order(&[[1, 9, 21], [2, 2, 21]]), DateOrder::MonthDayYear);
    }

    #[test]
    fn otherwise_days_change_more_often() {
        assert_eq!(order(&[[3, 3, 21], [4, 3, 21], [5, 3, 21]]), DateOrder::DayMonthYear);
        assert_eq!(order(&[[3, 3, 21], [3, 4, 21], [3, 5, 21]]), DateOrder::MonthDayYear);
        assert_eq!(order(&[[5, 5, 21]]), DateOrder::DayMonthYear);
    }

    #[test]
    fn there_is_no_thirtieth_of_february() {
        let stamp = |date| Stamp { date, second_of_day: 61 };
        assert_eq!(DateOrder::DayMonthYear.seconds(stamp([1, 1, 1970])), Some(61));
        assert_eq!(DateOrder::MonthDayYear.seconds(stamp([10, 14, 21])), Some(1_634_169_661));
        assert_eq!(DateOrder::DayMonthYear.seconds(stamp([30, 2, 2021])), None);
        assert_eq!(DateOrder::YearMonthDay.seconds(stamp([300, 2, 1])), None);
    }

    proptest! {
        #[test]
        fn a_chat_of_some_weeks_tells_its_order(
            start in 0_i64..3000, steps in prop::collection::vec(0_i64..3, 40..60), month_first: bool,
        ) {
            let mut julian = 2_455_198 + start;
            let dates: Vec<_> = steps.iter().map(|step| {
                julian += step;
                let date = Date::from_julian_day(julian as i32).unwrap();
                let (day, month) = (u32::from(date.day()), u32::from(u8::from(date.month())));
                let year = date.year() as u32;
                if month_first { [month, day, year] } else { [day, month, year] }
            }).collect();
            let expected = if month_first { DateOrder::MonthDayYear } else { DateOrder::DayMonthYear };
            // Where every date reads the same both ways around, nothing can tell.
            prop_assume!(dates.iter().any(|[a, b, _]| a != b));
            prop_assume!(steps.iter().sum::<i64>() > 15);
            prop_assert_eq!(order(&dates), expected);
        }
    }
}
