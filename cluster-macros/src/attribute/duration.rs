//! `"10s"`: durations in attributes.

use std::time::Duration;

/// The longest duration that an attribute takes: a hundred years, in days.
const DAYS_MAX: u64 = 36_525;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a whole number and its unit.
///
/// # Errors
/// What to write instead.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(not_a_duration(text));
    };
    if number.is_empty() {
        return Err(not_a_duration(text));
    }
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    match millis {
        Some(0) => Err("must be longer than zero".to_owned()),
        Some(millis) if millis <= DAYS_MAX * 86_400_000 => Ok(Duration::from_millis(millis)),
        _ => Err(format!("must be at most {DAYS_MAX} days")),
    }
}

fn not_a_duration(text: &str) -> String {
    format!(
        "`{text}` is no duration: write a whole number and `ms`, `s`, `m`, `h` or `d`, such as \
         \"250ms\" or \"5m\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        let all = [
            ("250ms", Duration::from_millis(250)),
            ("10s", Duration::from_secs(10)),
            ("5m", Duration::from_secs(300)),
            ("1h", Duration::from_secs(3_600)),
            ("2d", Duration::from_secs(172_800)),
            ("36525d", Duration::from_secs(36_525 * 86_400)),
        ];
        for (text, duration) in all {
            assert_eq!(parse(text), Ok(duration));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_form_to_use() {
        for text in ["", "10", "s", "10 s", "1.5s", "-1s", "10sec", "1h30m", "10S", "¼h"] {
            assert!(parse(text).unwrap_err().contains("is no duration"), "{text}");
        }
        assert_eq!(parse("0s").unwrap_err(), "must be longer than zero");
        assert_eq!(parse("36526d").unwrap_err(), "must be at most 36525 days");
        assert_eq!(parse("99999999999999999999h").unwrap_err(), "must be at most 36525 days");
    }
}
