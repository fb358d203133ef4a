//! Times as a person reads them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Minutes, hours and days, seconds.
const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// A length of time, about.
pub fn about(seconds: f64) -> String {
    let many = |number: f64, unit: &str| match number {
        1.0 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
    };
    match seconds {
        s if s < 9.5 => many(s.round().max(1.0), "second"),
        s if s < 95.0 => many((s / 10.0).round().max(1.0) * 10.0, "second"),
        s if s < 90.0 * MINUTE => many((s / MINUTE).round(), "minute"),
        s if s < 2.0 * DAY => many((2.0 * s / HOUR).round() / 2.0, "hour"),
        s => many((2.0 * s / DAY).round() / 2.0, "day"),
    }
}

/// The time of the day so many seconds from now, with the date where that is not today; of the clock that every machine has.
pub fn moment(seconds: f64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    at(now, seconds as u64)
}

fn at(now: u64, seconds: u64) -> String {
    const DAY: u64 = 86_400;
    let then = now + seconds;
    let minutes = then % DAY / 60;
    let clock = format!("{:02}:{:02} UTC", minutes / 60, minutes % 60);
    if then / DAY == now / DAY {
        return clock;
    }
    let (year, month, day) = date(then / DAY);
    format!("{year}-{month:02}-{day:02} {clock}")
}

/// Year, month and day of a number of days from 1970 on (Howard Hinnant's `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_as_people_say_them() {
        for (seconds, text) in [
            (0.2, "1 second"),
            (3.0, "3 seconds"),
            (9.6, "10 seconds"),
            (44.0, "40 seconds"),
            (100.0, "2 minutes"),
            (1080.0, "18 minutes"),
            (5500.0, "1.5 hours"),
            (7300.0, "2 hours"),
            (200_000.0, "2.5 days"),
        ] {
            assert_eq!(about(seconds), text);
        }
    }

    #[test]
    fn moments_have_their_date_where_it_is_another() {
        // 2026-11-30 23:50:00 UTC, and the end of February of a leap year, as `date -u` has them.
        assert_eq!(at(1_796_082_600, 300), "23:55 UTC");
        assert_eq!(at(1_796_082_600, 600), "2026-12-01 00:00 UTC");
        assert_eq!(at(1_709_078_400, 86_400), "2024-02-29 00:00 UTC");
        assert_eq!(at(1_709_078_400, 2 * 86_400), "2024-03-01 00:00 UTC");
    }
}
